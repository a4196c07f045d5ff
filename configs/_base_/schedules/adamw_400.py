"""400 iterations of AdamW, for pretrained networks on a CPU: the backbone learns at a tenth of the head's rate."""

_base_ = "./adamw_1500.py"
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, begin=0, end=40, by_epoch=False),
    dict(type="PolyLR", eta_min=0.0, power=0.9, begin=40, end=400, by_epoch=False),
]
train_cfg = dict(max_iters=400, val_interval=200)
default_hooks = dict(checkpoint=dict(interval=200))
