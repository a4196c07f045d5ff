"""The demo's run on all labels of the generated aerial images, which ``make demo`` draws into data/loveda_demo.

python tools/train.py configs/demo/fpn_r18w32_1xb8-600_lovedademo-128x128.py

Measured: mIoU 58.22 (last = best, seed 0) on two threads (2026-11-26, AMD EPYC, torch 2.15.0, mmseg 1.4.2); 58.32 with
mmseg's FPNHead and CrossEntropyLoss, which averages over ignored pixels too.
"""

_base_ = [
    "../_base_/models/fpn_r18w32.py",
    "../_base_/datasets/loveda_demo.py",
    "../_base_/schedules/adamw_600.py",
    "../_base_/default_runtime.py",
]
model = dict(data_preprocessor=dict(size=_base_.crop_size), decode_head=dict(num_classes=7))
