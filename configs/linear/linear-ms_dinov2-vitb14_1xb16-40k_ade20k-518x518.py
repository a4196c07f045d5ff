r"""DINOv2's linear evaluation with +ms on ADE20K: ViT-B/14, last four layers; tested with --tta.

python tools/train.py configs/linear/linear-ms_dinov2-vitb14_1xb16-40k_ade20k-518x518.py \
    --cfg-options model.backbone.checkpoint=timm

Quoted: 51.3 mIoU with +ms, which also evaluates at 640 pixels (DINOv2, TMLR 2024); S, L, g: 47.2, 53.1, 53.0.
Test: python tools/test.py CONFIG CHECKPOINT --tta --cfg-options model.backbone.checkpoint=timm
"""

_base_ = [
    "../_base_/models/linear_dinov2-vitb14.py",
    "../_base_/datasets/ade20k_518.py",
    "../_base_/schedules/adamw_linear_40k.py",
    "../_base_/default_runtime.py",
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=dict(out_indices=[8, 9, 10, 11]),
    decode_head=dict(in_channels=[768, 768, 768, 768]),
)
