"""K-Net with three stages over UPerNet on Swin-L, as mmseg has it.

The weights of the backbone are mmseg's conversion of the official ones (ImageNet-22k), by address: a run downloads them
once. Where there is no network, name a file: --cfg-options model.backbone.init_cfg.checkpoint=FILE. See docs/heads.md.
"""

_base_ = ["./upernet_swin-t.py", "./knet_update_head.py"]
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
        kernel_update_head=[_base_.update_head] * 3,
        kernel_generate_head=dict(_base_.model.decode_head, in_channels=[192, 384, 768, 1536]),
    ),
    auxiliary_head=dict(in_channels=768),
)
