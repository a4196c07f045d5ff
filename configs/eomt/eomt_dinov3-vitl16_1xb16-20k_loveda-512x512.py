r"""EoMT on DINOv3 ViT-L/16, LoveDA.

python tools/train.py configs/eomt/eomt_dinov3-vitl16_1xb16-20k_loveda-512x512.py \
    --cfg-options model.backbone.checkpoint=timm

DINOv3's satellite weights want other colour statistics, and the run says which: docs/dino.md.

Quoted for comparison: 63.5 mIoU by adapters and a refining head on a frozen DINOv3 ("Efficient Adaptation of Vision
Foundation Model for High-Resolution Remote Sensing Image Segmentation", Remote Sensing 18, 1295, 2026).
"""

_base_ = [
    "../_base_/models/eomt_dinov3-vitl16.py",
    "../_base_/datasets/loveda.py",
    "../_base_/schedules/adamw_eomt_20k.py",
    "../_base_/comforts/amp.py",
    "../_base_/default_runtime.py",
]
model = dict(data_preprocessor=dict(size=_base_.crop_size), decode_head=dict(num_classes=7))
train_dataloader = dict(batch_size=16)
optim_wrapper = _base_.amp
custom_hooks = [*_base_.custom_hooks, _base_.annealing]
