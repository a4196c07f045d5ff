r"""EoMT on DINOv3 ViT-B/16, ADE20K; queries in the last three blocks.

python tools/train.py configs/eomt/eomt_dinov3-vitb16_1xb16-40k_ade20k-512x512.py \
    --cfg-options model.backbone.checkpoint=timm

Quoted: 54.4 mIoU (LightlyTrain 0.11, 2025, its own implementation: 40,000 iterations of 16 images, 100 queries).
"""

_base_ = [
    "../_base_/models/eomt_dinov3-vitl16.py",
    "../_base_/datasets/ade20k_jitter.py",
    "../_base_/schedules/adamw_eomt_40k.py",
    "../_base_/comforts/amp.py",
    "../_base_/default_runtime.py",
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=dict(arch="dinov3_vitb16", query_blocks=3),
    decode_head=dict(in_channels=768),
)
optim_wrapper = _base_.amp
custom_hooks = [*_base_.custom_hooks, _base_.annealing_of_3]
