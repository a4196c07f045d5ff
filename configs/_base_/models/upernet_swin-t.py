"""UPerNet on Swin-T, as mmseg has it.

The weights of the backbone are mmseg's conversion of the official ones (ImageNet-1k), by address: a run downloads them
once. Where there is no network, name a file: --cfg-options model.backbone.init_cfg.checkpoint=FILE. See docs/heads.md.
"""

_base_ = "./imagenet_preprocessor.py"
swin = "https://mmassets.onedl.ai/mmsegmentation/v0.5/pretrain/swin/"
model = dict(
    type="mmseg_ext.EncoderDecoder",
    keep_logits=True,  # for OriginalResolutionMetric, as mmseg's does
    backbone=dict(
        type="SwinTransformer",
        init_cfg=dict(type="Pretrained", checkpoint=swin + "swin_tiny_patch4_window7_224_20220317-1cdeb081.pth"),
        embed_dims=96,
        depths=[2, 2, 6, 2],
        num_heads=[3, 6, 12, 24],
        window_size=7,
        drop_path_rate=0.3,
        out_indices=(0, 1, 2, 3),
    ),
    decode_head=dict(
        type="UPerHead",
        in_channels=[96, 192, 384, 768],
        in_index=[0, 1, 2, 3],
        pool_scales=(1, 2, 3, 6),
        channels=512,
        dropout_ratio=0.1,
        num_classes=150,
        norm_cfg=_base_.norm_cfg,
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
    ),
    auxiliary_head=dict(
        type="FCNHead",
        in_channels=384,
        in_index=2,
        channels=256,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        num_classes=150,
        norm_cfg=_base_.norm_cfg,
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=0.4),
    ),
    test_cfg=dict(mode="whole"),
)
