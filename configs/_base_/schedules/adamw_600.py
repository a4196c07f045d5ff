"""600 iterations of AdamW, the schedule of the demo."""

_base_ = "./adamw_1500.py"
optim_wrapper = dict(optimizer=dict(lr=2e-3))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, begin=0, end=50, by_epoch=False),
    dict(type="PolyLR", eta_min=0.0, power=0.9, begin=50, end=600, by_epoch=False),
]
train_cfg = dict(max_iters=600, val_interval=150)
default_hooks = dict(checkpoint=dict(interval=300))
