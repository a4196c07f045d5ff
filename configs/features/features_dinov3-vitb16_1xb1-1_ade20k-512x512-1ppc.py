r"""ADE20K, logistic regression on a frozen DINOv3 ViT-B/16, one labelled point a class and image.

python tools/fit.py configs/features/features_dinov3-vitb16_1xb1-1_ade20k-512x512-1ppc.py \
    --cfg-options model.backbone.checkpoint=timm

Quoted for comparison: 51.8 mIoU by a linear layer that is trained on all labels (DINOv3, 2025). With one point a class
and image this recipe has no figure of ours: the weights have to be fetched from a hub. The 20,210 training images give
about 180,000 points, 0.6 GB of features.
"""

_base_ = [
    "../_base_/models/features_dinov3-vitb16.py",
    "../_base_/datasets/ade20k_whole.py",
    "../_base_/schedules/fit.py",
    "../_base_/default_runtime.py",
]
train_dataloader = dict(dataset=dict(labels=dict(num_points=1, per="class")))
