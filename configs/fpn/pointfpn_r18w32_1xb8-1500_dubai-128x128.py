"""Dubai at two thirds of its size, all labels: the reference of the label-budget curve.

python tools/cross_validate.py configs/fpn/pointfpn_r18w32_1xb8-1500_dubai-128x128.py

Measured: mIoU 55.49 (building 52.1, land 65.6, road 25.4, vegetation 52.5, water 81.8), the confusion matrices of the
three folds added up, last iteration, seed 0, with OMP_NUM_THREADS=1 (2026-11-21, AMD EPYC, torch 2.15.0, mmseg 1.4.2).
"""

_base_ = [
    "../_base_/models/fpn_r18w32.py",
    "../_base_/datasets/dubai_128x128.py",
    "../_base_/schedules/adamw_1500.py",
    "../_base_/default_runtime.py",
]
model = dict(data_preprocessor=dict(size=_base_.crop_size), decode_head=dict(num_classes=5))
custom_hooks = [*_base_.custom_hooks, dict(type="mmseg_ext.ChannelsLastHook")]
