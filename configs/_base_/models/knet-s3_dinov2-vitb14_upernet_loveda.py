"""K-Net with three stages over UPerNet on a frozen DINOv2 ViT-B/14, for LoveDA's seven classes."""

_base_ = "./knet-s3_dinov2-vitb14_upernet.py"
update_head = dict(
    type="KernelUpdateHead",
    num_classes=7,
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
        kernel_update_head=[update_head, update_head, update_head],
        kernel_generate_head=dict(num_classes=7),
    ),
    auxiliary_head=dict(num_classes=7),
)
