"""EoMT on DINOv2 ViT-L with registers, its patches resampled from 14 to 16 pixels, as published.

`checkpoint` is None, so that the file loads without a download. Give it the weights:
--cfg-options model.backbone.checkpoint=timm (timm's download) or =FILE. See docs/heads.md.
"""

_base_ = "./imagenet_preprocessor.py"
model = dict(
    type="mmseg_ext.EncoderDecoder",
    backbone=dict(
        type="mmseg_ext.DINO",
        arch="dinov2_vitl14_reg",
        checkpoint=None,
        frozen=False,
        query_blocks=4,
        arch_overrides=dict(patch_size=16, img_size=512),
    ),
    decode_head=dict(
        type="mmseg_ext.EoMT",
        in_channels=1024,
        num_classes=150,
        num_queries=100,
        loss_decode=dict(type="mmseg_ext.PointMaskLoss"),
    ),
    test_cfg=dict(mode="slide", crop_size=(512, 512), stride=(512, 512)),
)
