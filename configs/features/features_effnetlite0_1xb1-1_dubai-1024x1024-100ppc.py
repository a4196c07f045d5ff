"""Dubai, light heads on a frozen EfficientNet-Lite0, 100 labelled points a class and image.

python tools/fit.py configs/features/features_effnetlite0_1xb1-1_dubai-1024x1024-100ppc.py

Measured: mIoU 61.35 (building 55.1, land 74.1, road 49.0, vegetation 43.2, water 85.3) on fold 0 alone, seed 0,
15,500 points; expected calibration error on held-out images 1.0 % (2026-11-26, AMD EPYC, torch 2.15.0, mmseg 1.4.2,
scikit-learn 1.9.1).
"""

_base_ = "./features_effnetlite0_1xb1-1_dubai-1024x1024.py"
train_dataloader = dict(dataset=dict(labels=dict(num_points=100, per="class")))
