"""Dubai, light heads on a frozen EfficientNet-Lite0, 1,000 labelled pixels of each image.

python tools/fit.py configs/features/features_effnetlite0_1xb1-1_dubai-1024x1024.py

Measured: mIoU 61.83 (building 55.5, land 75.0, road 43.4, vegetation 48.1, water 87.1) on fold 0 alone, seed 0,
36,000 points; expected calibration error on held-out images 2.1 % (2026-11-26, AMD EPYC, torch 2.15.0, mmseg 1.4.2,
scikit-learn 1.9.1).
"""

_base_ = [
    "../_base_/models/features_effnetlite0.py",
    "../_base_/datasets/dubai_1024.py",
    "../_base_/schedules/fit.py",
    "../_base_/default_runtime.py",
]
model = dict(decode_head=dict(num_classes=5))
