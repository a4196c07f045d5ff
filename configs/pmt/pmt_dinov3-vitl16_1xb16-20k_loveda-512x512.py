r"""PMT on a frozen DINOv3 ViT-L/16, LoveDA.

python tools/train.py configs/pmt/pmt_dinov3-vitl16_1xb16-20k_loveda-512x512.py \
    --cfg-options model.backbone.checkpoint=timm

DINOv3's satellite weights want other colour statistics, and the run says which: docs/dino.md.

Quoted for comparison: 58.5 mIoU on ADE20K (tue-mps/pmt, model zoo of DINOv3, 2026). The authors publish no LoveDA.
"""

_base_ = [
    "../_base_/models/pmt_dinov3-vitl16.py",
    "../_base_/datasets/loveda.py",
    "../_base_/schedules/adamw_pmt_20k.py",
    "../_base_/comforts/amp.py",
    "../_base_/default_runtime.py",
]
model = dict(data_preprocessor=dict(size=_base_.crop_size), decode_head=dict(num_classes=7))
train_dataloader = dict(batch_size=16)
optim_wrapper = _base_.amp
custom_hooks = [*_base_.custom_hooks, _base_.annealing]
