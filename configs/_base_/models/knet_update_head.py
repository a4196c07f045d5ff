"""One stage of K-Net, as mmseg's K-Net configs have it; a model names it three times."""

update_head = dict(
    type="KernelUpdateHead",
    num_classes=150,
    num_mask_fcs=1,
    in_channels=512,
    out_channels=512,
    feat_transform_cfg=dict(conv_cfg=dict(type="Conv2d"), act_cfg=None),
    kernel_updator_cfg=dict(
        type="KernelUpdator",
        in_channels=256,
        feat_channels=256,
        out_channels=256,
        act_cfg=dict(type="ReLU", inplace=True),
        norm_cfg=dict(type="LN"),
    ),
)
