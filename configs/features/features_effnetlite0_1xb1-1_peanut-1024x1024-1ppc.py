"""Peanut fields, light heads on a frozen EfficientNet-Lite0, one labelled point a class and image.

python tools/fit.py configs/features/features_effnetlite0_1xb1-1_peanut-1024x1024-1ppc.py

Measured: MEASURED-1
"""

_base_ = "./features_effnetlite0_1xb1-1_peanut-1024x1024.py"
train_dataloader = dict(dataset=dict(labels=dict(num_points=1, per="class")))
