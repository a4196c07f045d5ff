"""20,000 iterations of AdamW for PMT, whose masked attention ends block by block. A leaf adds `annealing` to its hooks:

custom_hooks = [*_base_.custom_hooks, _base_.annealing]

Rates and iterations are divided as the authors do in their 20,208.
"""

_base_ = "./iterations.py"
optim_wrapper = dict(
    optimizer=dict(type="AdamW", lr=2e-4, weight_decay=0.05), clip_grad=dict(max_norm=0.01, norm_type=2)
)
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-6, begin=0, end=6000, by_epoch=False),
    dict(type="CosineAnnealingLR", eta_min=1e-9, begin=6000, end=20000, by_epoch=False),
]
annealing = dict(
    type="mmseg_ext.MaskAnnealingHook",
    start=[0, 5328, 7326, 9325, 11324, 13322],
    end=[3000, 8659, 10658, 12656, 14655, 16653],
)
train_cfg = dict(max_iters=20000, val_interval=2000)
default_hooks = dict(checkpoint=dict(interval=2000))
