r"""The linear evaluation of DINOv3 ViT-B/16 on LoveDA, all labels.

python tools/train.py configs/linear/linear_dinov3-vitb16_1xb16-40k_loveda-512x512.py \
    --cfg-options model.backbone.checkpoint=timm

Not measured yet; nothing is published for it.
"""

_base_ = [
    "../_base_/models/linear_dinov3-vitb16.py",
    "../_base_/datasets/loveda.py",
    "../_base_/schedules/adamw_linear_40k.py",
    "../_base_/default_runtime.py",
]
crop_size = (512, 512)
train_dataloader = dict(batch_size=16)
model = dict(data_preprocessor=dict(size=crop_size), decode_head=dict(num_classes=7))
