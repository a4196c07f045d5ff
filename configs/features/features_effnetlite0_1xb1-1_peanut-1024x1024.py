"""Peanut fields, light heads on a frozen EfficientNet-Lite0, 1,000 labelled pixels of each image.

python tools/fit.py configs/features/features_effnetlite0_1xb1-1_peanut-1024x1024.py

Measured: MEASURED-all
"""

_base_ = [
    "../_base_/models/features_effnetlite0.py",
    "../_base_/datasets/peanut.py",
    "../_base_/schedules/fit.py",
    "../_base_/default_runtime.py",
]
model = dict(decode_head=dict(num_classes=3))
