r"""LoveDA, logistic regression on a frozen DINOv3 ViT-B/16, 20 labelled points a class and image.

python tools/fit.py configs/features/features_dinov3-vitb16_1xb1-1_loveda-1024x1024-20ppc.py \
    --cfg-options model.backbone.checkpoint=FILE

Quoted for comparison: 63.5 mIoU by adapters and a refining head that are trained on all labels, on a frozen DINOv3
("Efficient Adaptation of Vision Foundation Model for High-Resolution Remote Sensing Image Segmentation", Remote Sensing
18, 1295, 2026). This recipe has no figure of ours: the weights have to be fetched from a hub.
"""

_base_ = [
    "../_base_/models/features_dinov3-vitb16.py",
    "../_base_/datasets/loveda_1024.py",
    "../_base_/schedules/fit.py",
    "../_base_/default_runtime.py",
]
model = dict(decode_head=dict(num_classes=7))
train_dataloader = dict(dataset=dict(labels=dict(num_points=20, per="class")))
