"""1,500 iterations of AdamW, for small networks from random weights on a CPU."""

_base_ = "./iterations.py"
optim_wrapper = dict(optimizer=dict(lr=1e-3, weight_decay=0.01))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(type="PolyLR", eta_min=0.0, power=0.9, begin=100, end=1500, by_epoch=False),
]
train_cfg = dict(max_iters=1500, val_interval=250)
default_hooks = dict(checkpoint=dict(interval=500))
