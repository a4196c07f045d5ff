"""Dubai, light heads on a frozen EfficientNet-Lite0, 5 labelled points a class and image.

python tools/fit.py configs/features/features_effnetlite0_1xb1-1_dubai-1024x1024-5ppc.py

Measured: mIoU 54.29 (building 50.7, land 70.8, road 41.2, vegetation 29.9, water 78.8) on fold 0 alone, seed 0,
775 points; expected calibration error on held-out images 5.4 % (2026-11-26, AMD EPYC, torch 2.15.0, mmseg 1.4.2,
scikit-learn 1.9.1).
"""

_base_ = "./features_effnetlite0_1xb1-1_dubai-1024x1024.py"
train_dataloader = dict(dataset=dict(labels=dict(num_points=5, per="class")))
