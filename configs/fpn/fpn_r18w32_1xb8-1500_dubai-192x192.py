"""Dubai, all labels.

python tools/cross_validate.py configs/fpn/fpn_r18w32_1xb8-1500_dubai-192x192.py

Measured: mIoU 59.76, mAcc 72.01, aAcc 80.86 (building 55.41, land 68.87, road 30.99, vegetation 57.10, water 86.45),
the confusion matrices of the three folds added up, last iteration, seed 0; fold by fold 58.30, 57.93, 61.51. A fold
took 16 to 19 minutes with OMP_NUM_THREADS=1 and a second run beside it on two cores (2026-11-20, AMD EPYC, torch
2.15.0, mmseg 1.4.2).
With mmseg's FPNHead and CrossEntropyLoss, which averages over ignored pixels too.
Twice the schedule on fold 0 gave 58.68 (57.84 at 2,000, 57.58 at 2,500): longer training no longer helps.
"""

_base_ = [
    "../_base_/models/fpn_r18w32.py",
    "../_base_/datasets/dubai.py",
    "../_base_/schedules/adamw_1500.py",
    "../_base_/default_runtime.py",
]
model = dict(data_preprocessor=dict(size=_base_.crop_size), decode_head=dict(num_classes=5))
