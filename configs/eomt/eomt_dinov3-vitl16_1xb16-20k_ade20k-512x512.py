r"""EoMT on DINOv3 ViT-L/16, ADE20K.

python tools/train.py configs/eomt/eomt_dinov3-vitl16_1xb16-20k_ade20k-512x512.py \
    --cfg-options model.backbone.checkpoint=timm

Quoted: 59.5 mIoU (tue-mps/eomt, model zoo of DINOv3, 2025; 16 images an iteration, 16 epochs).

Differs from the authors' recipe: 20,000 iterations for their 20,208; backbone and head warm up together for 3,000,
theirs 3,000 after the head's 2,000; and as eomt_dinov2-vitl14-reg_1xb16-40k_ade20k-512x512.py does.
"""

_base_ = [
    "../_base_/models/eomt_dinov3-vitl16.py",
    "../_base_/datasets/ade20k_jitter.py",
    "../_base_/schedules/adamw_eomt_20k.py",
    "../_base_/comforts/amp.py",
    "../_base_/default_runtime.py",
]
model = dict(data_preprocessor=dict(size=_base_.crop_size))
optim_wrapper = _base_.amp
custom_hooks = [*_base_.custom_hooks, _base_.annealing]
