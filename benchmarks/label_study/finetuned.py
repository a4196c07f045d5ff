"""Semantic FPN on a pretrained EfficientNet-Lite0, all of it trained, of the label-budget study: all but the data."""

_base_ = [
    "../../configs/_base_/models/fpn_effnetlite0.py",
    "../../configs/_base_/schedules/iterations.py",
    "../../configs/_base_/default_runtime.py",
]
model = dict(data_preprocessor=dict(size=(512, 512)))
# Pretrained weights learn at a tenth of the rate.
optim_wrapper = dict(
    optimizer=dict(lr=1e-3, weight_decay=0.01), paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1)))
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, begin=0, end=40, by_epoch=False),
    dict(type="PolyLR", eta_min=0.0, power=0.9, begin=40, end=400, by_epoch=False),
]
train_cfg = dict(max_iters=400, val_interval=400)
default_hooks = dict(checkpoint=dict(interval=100))
custom_hooks = [*_base_.custom_hooks, dict(type="mmseg_ext.ChannelsLastHook")]
