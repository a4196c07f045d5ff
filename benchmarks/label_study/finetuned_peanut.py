"""Peanut fields, Semantic FPN on a pretrained EfficientNet-Lite0, all of it trained, of the label-budget study.

As large as the light head sees it: the shorter side is 1024 pixels, varied by 0.5 … 2, in crops of 512 × 512.
"""

_base_ = [
    "../../configs/_base_/models/fpn_effnetlite0.py",
    "../../configs/_base_/datasets/peanut.py",
    "../../configs/_base_/schedules/iterations.py",
    "../../configs/_base_/default_runtime.py",
]
crop_size = (512, 512)
scale = (2048, 1024)
geometry = [
    dict(type="mmseg_ext.RandomResize", scale=scale, ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type="mmseg_ext.RandomCrop", crop_size=crop_size),
]
train_pipeline = [_base_.load_image, _base_.load_labels, *geometry, *_base_.finish]
train_dataloader = dict(
    batch_size=2, sampler=dict(type="InfiniteSampler", shuffle=True), dataset=dict(pipeline=train_pipeline)
)
model = dict(data_preprocessor=dict(size=crop_size), decode_head=dict(num_classes=3))
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
