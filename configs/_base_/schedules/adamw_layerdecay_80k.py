"""80,000 iterations of AdamW for a whole network: learning rates fall by 0.8 from each block to the one before."""

_base_ = "./iterations.py"
optim_wrapper = dict(
    constructor="mmseg_ext.LayerDecayOptimWrapperConstructor",
    paramwise_cfg=dict(decay_rate=0.8),
    optimizer=dict(lr=1e-4, weight_decay=0.05),
    clip_grad=dict(max_norm=1.0, norm_type=2),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-6, begin=0, end=1500, by_epoch=False),
    dict(type="PolyLR", eta_min=0.0, power=1.0, begin=1500, end=80000, by_epoch=False),
]
train_cfg = dict(max_iters=80000, val_interval=8000)
default_hooks = dict(checkpoint=dict(interval=8000))
