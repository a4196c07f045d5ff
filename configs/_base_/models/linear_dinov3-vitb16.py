"""A linear probe: one linear layer on the last features of a frozen DINOv3 ViT-B/16.

`checkpoint` is None, so that the file loads without a download. Give it the weights:
--cfg-options model.backbone.checkpoint=timm (timm's download) or =FILE. See docs/dino.md.
"""

_base_ = "./linear_dinov2-vitb14.py"
model = dict(
    data_preprocessor=dict(test_cfg=dict(size_divisor=16)),
    backbone=dict(arch="dinov3_vitb16"),
    decode_head=dict(dropout_first=True),  # as in DINOv3's release
    test_cfg=dict(crop_size=(512, 512)),
)
