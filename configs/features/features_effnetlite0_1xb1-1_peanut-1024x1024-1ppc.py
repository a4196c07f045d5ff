"""Peanut fields, light heads on a frozen EfficientNet-Lite0, one labelled point a class and image.

python tools/fit.py configs/features/features_effnetlite0_1xb1-1_peanut-1024x1024-1ppc.py

Measured: mIoU 58.97 (background 93.8, crop 68.9, weed 14.2) on fold 0 alone, seed 0, 217 points, by
benchmarks/label_budget.py, without the calibration (2026-11-26, AMD EPYC, torch 2.15.0, mmseg 1.4.2,
scikit-learn 1.9.1).
"""

_base_ = "./features_effnetlite0_1xb1-1_peanut-1024x1024.py"
train_dataloader = dict(dataset=dict(labels=dict(num_points=1, per="class")))
