"""x"""

_base_ = [
    "../_base_/models/features_effnetlite0.py",
    "../_base_/datasets/dubai_1024.py",
    "../_base_/schedules/fit.py",
    "../_base_/default_runtime.py",
]
model = dict(decode_head=dict(num_classes=5))
