r"""PMT on a frozen DINOv3 ViT-L/16, ADE20K.

python tools/train.py configs/pmt/pmt_dinov3-vitl16_1xb16-20k_ade20k-512x512.py \
    --cfg-options model.backbone.checkpoint=timm

Quoted: 58.5 mIoU (tue-mps/pmt, model zoo of DINOv3, 2026; 16 images an iteration, 16 epochs). Those weights load by
model.decode_head.checkpoint=FILE.

Differs from the authors' recipe: 20,000 iterations for their 20,208; pixels without a label are left out of the masks'
loss, theirs are negatives of every mask (model.decode_head.loss_decode.type=mmseg_ext.MaskLoss).
"""

_base_ = [
    "../_base_/models/pmt_dinov3-vitl16.py",
    "../_base_/datasets/ade20k_jitter.py",
    "../_base_/schedules/adamw_pmt_20k.py",
    "../_base_/comforts/amp.py",
    "../_base_/default_runtime.py",
]
model = dict(data_preprocessor=dict(size=_base_.crop_size))
optim_wrapper = _base_.amp
custom_hooks = [*_base_.custom_hooks, _base_.annealing]
