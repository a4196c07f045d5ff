"""K-Net with three stages over UPerNet on Swin-L, as mmseg has it.

The weights of the backbone are mmseg's conversion of the official ones (ImageNet-22k), by address: a run downloads them
once. Where there is no network, name a file: --cfg-options model.backbone.init_cfg.checkpoint=FILE. See docs/heads.md.
"""

_base_ = "./upernet_swin-t.py"
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
    backbone=dict(
        init_cfg=dict(checkpoint=_base_.swin + "swin_large_patch4_window7_224_22k_20220308-d5bdebaf.pth"),
        embed_dims=192,
        depths=[2, 2, 18, 2],
        num_heads=[6, 12, 24, 48],
    ),
    decode_head=dict(
        _delete_=True,
        type="IterativeDecodeHead",
        num_stages=3,
        kernel_update_head=[update_head, update_head, update_head],
        kernel_generate_head=dict(_base_.model.decode_head, in_channels=[192, 384, 768, 1536]),
    ),
    auxiliary_head=dict(in_channels=768),
)
