r"""DINOv3's linear evaluation on ADE20K: ViT-B/16, last layer.

python tools/train.py configs/linear/linear_dinov3-vitb16_1xb16-40k_ade20k-512x512.py \
    --cfg-options model.backbone.checkpoint=timm

Quoted: 51.8 mIoU; S and L: 47.0, 54.9 (DINOv3, 2025, linear probe of the distilled models).
"""

_base_ = [
    "../_base_/models/linear_dinov3-vitb16.py",
    "../_base_/datasets/ade20k.py",
    "../_base_/schedules/adamw_linear_40k.py",
    "../_base_/default_runtime.py",
]
train_dataloader = dict(batch_size=16)
model = dict(data_preprocessor=dict(size=_base_.crop_size))
