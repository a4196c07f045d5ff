"""80,000 iterations of AdamW, as mmseg trains K-Net on Swin: 16 images an iteration, the rate falls in two steps."""

_base_ = "./adamw_swin_160k.py"
optim_wrapper = dict(optimizer=dict(weight_decay=0.0005), clip_grad=dict(max_norm=1, norm_type=2))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.001, begin=0, end=1000, by_epoch=False),
    dict(type="MultiStepLR", milestones=[60000, 72000], begin=1000, end=80000, by_epoch=False),
]
train_cfg = dict(max_iters=80000, val_interval=8000)
default_hooks = dict(checkpoint=dict(interval=8000))
