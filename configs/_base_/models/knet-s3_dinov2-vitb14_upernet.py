"""K-Net with three stages over UPerNet, on a pyramid made of four layers of a frozen DINOv2 ViT-B/14.

The stages are those of mmseg's K-Net configs.
"""

_base_ = "./upernet_dinov2-vitb14.py"
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
model = dict(
    decode_head=dict(
        _delete_=True,
        type="IterativeDecodeHead",
        num_stages=3,
        kernel_update_head=[update_head, update_head, update_head],
        kernel_generate_head={{_base_.model.decode_head}},
    ),
)
