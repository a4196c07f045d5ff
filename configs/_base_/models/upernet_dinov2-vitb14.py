"""UPerNet on a pyramid made of four layers of a frozen DINOv2 ViT-B/14.

`checkpoint` is None, so that the file loads without a download. Give it the weights:
--cfg-options model.backbone.checkpoint=timm (timm's download) or =FILE. See docs/dino.md.
"""

_base_ = "./imagenet_preprocessor.py"
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(test_cfg=dict(size_divisor=14)),
    backbone=dict(type="mmseg_ext.DINO", arch="dinov2_vitb14", checkpoint=None, out_indices=[2, 5, 8, 11], frozen=True),
    neck=dict(type="Feature2Pyramid", embed_dim=768, rescales=[4, 2, 1, 0.5], norm_cfg=_base_.norm_cfg),
    decode_head=dict(
        type="mmseg_ext.PointUPerHead",
        in_channels=[768, 768, 768, 768],
        in_index=[0, 1, 2, 3],
        pool_scales=(1, 2, 3, 6),
        channels=512,
        dropout_ratio=0.1,
        num_classes=150,
        norm_cfg=_base_.norm_cfg,
        align_corners=False,
        loss_decode=dict(type="mmseg_ext.PartialCrossEntropyLoss"),
    ),
    auxiliary_head=dict(
        type="mmseg_ext.PointFCNHead",
        in_channels=768,
        in_index=2,
        channels=256,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        num_classes=150,
        norm_cfg=_base_.norm_cfg,
        align_corners=False,
        loss_decode=dict(type="mmseg_ext.PartialCrossEntropyLoss", loss_weight=0.4),
    ),
    test_cfg=dict(mode="slide", crop_size=(518, 518), stride=(341, 341)),
)
