r"""A U-Net decoder on a frozen DINOv2 ViT-B/14, LoveDA, all labels.

python tools/train.py configs/unet/unet_dinov2-vitb14_1xb16-40k_loveda-518x518.py \
    --cfg-options model.backbone.checkpoint=timm

Not measured yet; nothing is published for it.
"""

_base_ = [
    "../_base_/models/unet_dinov2-vitb14.py",
    "../_base_/datasets/loveda_518.py",
    "../_base_/schedules/adamw_40k.py",
    "../_base_/default_runtime.py",
]
crop_size = (518, 518)
model = dict(data_preprocessor=dict(size=crop_size), decode_head=dict(num_classes=7))
