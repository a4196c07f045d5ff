"""Dubai, light heads on a frozen EfficientNet-Lite0, 1,000 labelled pixels of each image.

python tools/fit.py configs/features/features_effnetlite0_1xb1-1_dubai-1024x1024.py

Measured: mIoU 63.03 (building 56.2, land 75.0, road 48.2, vegetation 48.9, water 86.8) on fold 0 alone, seed 0,
36,000 points; expected calibration error on held-out images 1.4 % (2026-11-26, AMD EPYC, torch 2.15.0, mmseg 1.4.2,
scikit-learn 1.9.1).
"""

_base_ = [
    "../_base_/models/features_effnetlite0.py",
    "../_base_/datasets/dubai_1024.py",
    "../_base_/schedules/fit.py",
    "../_base_/default_runtime.py",
]
model = dict(decode_head=dict(num_classes=5))
