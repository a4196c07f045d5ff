"""x"""

_base_ = [
    "../_base_/models/fpn_effnetlite0.py",
    "../_base_/datasets/loveda_demo.py",
    "../_base_/schedules/adamw_600.py",
    "../_base_/default_runtime.py",
]
model = dict(data_preprocessor=dict(size=_base_.crop_size), decode_head=dict(num_classes=7))
# Pretrained weights learn at a tenth of the rate.
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))))
