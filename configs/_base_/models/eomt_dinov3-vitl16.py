"""EoMT on DINOv3 ViT-L/16.

`checkpoint` is None, so that the file loads without a download. Give it the weights:
--cfg-options model.backbone.checkpoint=timm (timm's download) or =FILE. See docs/heads.md.
"""

_base_ = "./eomt_dinov2-vitl14-reg.py"
model = dict(backbone=dict(arch="dinov3_vitl16", arch_overrides=dict(_delete_=True)))
