"""Dubai, light heads on a frozen EfficientNet-Lite0, 20 labelled points a class and image.

python tools/fit.py configs/features/features_effnetlite0_1xb1-1_dubai-1024x1024-20ppc.py

Measured: mIoU 59.63 (building 53.4, land 72.9, road 48.5, vegetation 40.2, water 83.1) on fold 0 alone, seed 0,
3,100 points; expected calibration error on held-out images 2.6 % (2026-11-26, AMD EPYC, torch 2.15.0, mmseg 1.4.2,
scikit-learn 1.9.1).
"""

_base_ = "./features_effnetlite0_1xb1-1_dubai-1024x1024.py"
train_dataloader = dict(dataset=dict(labels=dict(num_points=20, per="class")))
