"""A linear probe: one linear layer on the last features of a frozen DINOv2 ViT-B/14.

`checkpoint` is None, so that the file loads without a download. Give it the weights:
--cfg-options model.backbone.checkpoint=timm (timm's download) or =FILE. See docs/dino.md.
"""

_base_ = "./imagenet_preprocessor.py"
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(test_cfg=dict(size_divisor=14)),
    backbone=dict(type="mmseg_ext.DINO", arch="dinov2_vitb14", checkpoint=None, out_indices=[11], frozen=True),
    decode_head=dict(
        type="mmseg_ext.PointLinearHead",
        in_channels=[768],
        num_classes=150,
        norm_cfg=_base_.norm_cfg,
        align_corners=False,
        loss_decode=dict(type="mmseg_ext.PartialCrossEntropyLoss"),
    ),
    test_cfg=dict(mode="slide", crop_size=(518, 518), stride=(341, 341)),
)
