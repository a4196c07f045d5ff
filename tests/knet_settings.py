"""The settings of K-Net's small heads in tests."""


def kernel_update_head(num_classes, **settings):
    """Settings of one stage of K-Net on eight channels; `settings` add to them."""
    return {
        "type": "KernelUpdateHead",
        "num_classes": num_classes,
        "num_heads": 2,
        "num_mask_fcs": 1,
        "feedforward_channels": 16,
        "in_channels": 8,
        "out_channels": 8,
        "kernel_updator_cfg": {
            "type": "KernelUpdator",
            "in_channels": 8,
            "feat_channels": 8,
            "out_channels": 8,
            "act_cfg": {"type": "ReLU", "inplace": True},
            "norm_cfg": {"type": "LN"},
        },
        **settings,
    }
