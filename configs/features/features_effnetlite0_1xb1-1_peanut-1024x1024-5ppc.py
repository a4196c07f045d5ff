"""Peanut fields, light heads on a frozen EfficientNet-Lite0, 5 labelled points a class and image.

python tools/fit.py configs/features/features_effnetlite0_1xb1-1_peanut-1024x1024-5ppc.py

Measured: MEASURED-5
"""

_base_ = "./features_effnetlite0_1xb1-1_peanut-1024x1024.py"
train_dataloader = dict(dataset=dict(labels=dict(num_points=5, per="class")))
