"""20,000 iterations of AdamW, warmed up and polynomially decayed, for a pretrained network on a GPU."""

_base_ = "./iterations.py"
optim_wrapper = dict(optimizer=dict(lr=3e-4, weight_decay=0.01))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, begin=0, end=500, by_epoch=False),
    dict(type="PolyLR", eta_min=0.0, power=0.9, begin=500, end=20000, by_epoch=False),
]
train_cfg = dict(max_iters=20000, val_interval=2000)
default_hooks = dict(checkpoint=dict(interval=2000))
