"""20,000 iterations of AdamW for EoMT on DINOv3: the same learning rate for the whole network, as the authors' code."""

_base_ = "./adamw_eomt_40k.py"
optim_wrapper = dict(paramwise_cfg=dict(decay_rate=1.0), optimizer=dict(lr=2e-4))
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-6, begin=0, end=3000, by_epoch=False),
    dict(type="PolyLR", eta_min=0.0, power=0.9, begin=3000, end=20000, by_epoch=False),
]
annealing = dict(start=[0, 6520, 9780, 13040], end=[3000, 9780, 13040, 16300])
train_cfg = dict(max_iters=20000, val_interval=2000)
default_hooks = dict(checkpoint=dict(interval=2000))
