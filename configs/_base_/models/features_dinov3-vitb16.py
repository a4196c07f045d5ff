"""Logistic regression on the last features of a frozen DINOv3 ViT-B/16.

`checkpoint` is None, so that the file loads without a download. Give it the weights:
--cfg-options model.backbone.checkpoint=timm (timm's download) or =FILE. See docs/dino.md.
"""

_base_ = "./imagenet_preprocessor.py"
model = dict(
    type="mmseg_ext.FeatureSegmentor",
    backbone=dict(type="mmseg_ext.DINO", arch="dinov3_vitb16", checkpoint=None, out_indices=[11], frozen=True),
    decode_head=dict(
        type="mmseg_ext.LightHead", num_classes=150, classifiers=[dict(type="mmseg_ext.LogisticRegression")]
    ),
    test_cfg=dict(mode="whole"),
)
