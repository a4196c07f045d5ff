"""Peanut fields, light heads on a frozen EfficientNet-Lite0, 100 labelled points a class and image.

python tools/fit.py configs/features/features_effnetlite0_1xb1-1_peanut-1024x1024-100ppc.py

Measured: mIoU 74.74 (background 96.4, crop 86.9, weed 40.9) on fold 0 alone, seed 0, 21,700 points, by
benchmarks/label_budget.py, without the calibration (2026-11-26, AMD EPYC, torch 2.15.0, mmseg 1.4.2,
scikit-learn 1.9.1).
"""

_base_ = "./features_effnetlite0_1xb1-1_peanut-1024x1024.py"
train_dataloader = dict(dataset=dict(labels=dict(num_points=100, per="class")))
