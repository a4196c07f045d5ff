"""40,000 iterations of AdamW for EoMT, whose masked attention ends block by block. A leaf adds this hook:

custom_hooks = [*_base_.custom_hooks, _base_.annealing]

Blocks and iterations are divided as the authors do: all blocks are masked for the first sixth, none for the last.
`annealing_of_3` is for a backbone with query_blocks=3.
"""

_base_ = "./adamw_layerdecay_80k.py"
optim_wrapper = dict(clip_grad=dict(max_norm=0.01))
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-6, begin=0, end=1500, by_epoch=False),
    dict(type="PolyLR", eta_min=0.0, power=0.9, begin=1500, end=40000, by_epoch=False),
]
annealing = dict(
    type="mmseg_ext.MaskAnnealingHook", start=[6520, 13040, 19560, 26080], end=[13040, 19560, 26080, 32600]
)
annealing_of_3 = dict(type="mmseg_ext.MaskAnnealingHook", start=[6520, 16300, 26080], end=[13040, 22820, 32600])
train_cfg = dict(max_iters=40000, val_interval=4000)
default_hooks = dict(checkpoint=dict(interval=4000))
