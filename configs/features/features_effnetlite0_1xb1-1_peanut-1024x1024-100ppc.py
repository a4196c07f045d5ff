"""Peanut fields, light heads on a frozen EfficientNet-Lite0, 100 labelled points a class and image.

python tools/fit.py configs/features/features_effnetlite0_1xb1-1_peanut-1024x1024-100ppc.py

Measured: MEASURED-100
"""

_base_ = "./features_effnetlite0_1xb1-1_peanut-1024x1024.py"
train_dataloader = dict(dataset=dict(labels=dict(num_points=100, per="class")))
