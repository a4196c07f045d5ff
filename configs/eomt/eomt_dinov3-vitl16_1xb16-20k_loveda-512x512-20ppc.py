r"""EoMT on DINOv3 ViT-L/16, LoveDA, 20 labelled points a class and image.

python tools/train.py configs/eomt/eomt_dinov3-vitl16_1xb16-20k_loveda-512x512-20ppc.py \
    --cfg-options model.backbone.checkpoint=timm

Quoted for comparison: 63.5 mIoU with all labels, by adapters and a refining head on a frozen DINOv3 ("Efficient
Adaptation of Vision Foundation Model for High-Resolution Remote Sensing Image Segmentation", Remote Sensing 18, 1295,
2026).
"""

_base_ = "./eomt_dinov3-vitl16_1xb16-20k_loveda-512x512.py"
train_dataloader = dict(dataset=dict(labels=dict(num_points=20, per="class")))
