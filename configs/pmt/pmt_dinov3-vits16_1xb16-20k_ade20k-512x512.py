r"""PMT on a frozen DINOv3 ViT-S/16, ADE20K; layers and channels as the authors have for this size.

python tools/train.py configs/pmt/pmt_dinov3-vits16_1xb16-20k_ade20k-512x512.py \
    --cfg-options model.backbone.checkpoint=timm

Quoted for comparison: 58.5 mIoU of ViT-L (tue-mps/pmt, model zoo of DINOv3, 2026). For S the authors publish only COCO,
45.3 PQ.
"""

_base_ = "./pmt_dinov3-vitl16_1xb16-20k_ade20k-512x512.py"
model = dict(
    backbone=dict(arch="dinov3_vits16", out_indices=(2, 5, 8, 11)),
    decode_head=dict(in_channels=384, hidden_channels=384, num_heads=6),
)
