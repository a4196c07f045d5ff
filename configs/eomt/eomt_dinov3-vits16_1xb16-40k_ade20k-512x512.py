r"""EoMT on DINOv3 ViT-S/16, ADE20K; queries in the last three blocks.

python tools/train.py configs/eomt/eomt_dinov3-vits16_1xb16-40k_ade20k-512x512.py \
    --cfg-options model.backbone.checkpoint=timm

Quoted: 46.6 mIoU (LightlyTrain 0.11, 2025, its own implementation: 40,000 iterations of 16 images, 100 queries).
"""

_base_ = "./eomt_dinov3-vitb16_1xb16-40k_ade20k-512x512.py"
model = dict(backbone=dict(arch="dinov3_vits16"), decode_head=dict(in_channels=384))
