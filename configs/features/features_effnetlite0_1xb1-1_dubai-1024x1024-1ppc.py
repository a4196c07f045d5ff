"""Dubai, light heads on a frozen EfficientNet-Lite0, one labelled point a class and image.

python tools/fit.py configs/features/features_effnetlite0_1xb1-1_dubai-1024x1024-1ppc.py

Measured: mIoU 49.74 (building 39.4, land 62.2, road 36.6, vegetation 29.3, water 81.2) on fold 0 alone, seed 0,
155 points; expected calibration error on held-out images 6.5 % (2026-11-26, AMD EPYC, torch 2.15.0, mmseg 1.4.2,
scikit-learn 1.9.1).
"""

_base_ = "./features_effnetlite0_1xb1-1_dubai-1024x1024.py"
train_dataloader = dict(dataset=dict(labels=dict(num_points=1, per="class")))
