"""The demo's 20 labelled points an image under light heads on frozen, pretrained features.

python tools/fit.py configs/demo/features_effnetlite0_1xb1-1_lovedademo-512x512-20pts.py

Measured: TODO
"""

_base_ = [
    "../_base_/models/features_effnetlite0.py",
    "../_base_/datasets/loveda_demo_512.py",
    "../_base_/schedules/fit.py",
    "../_base_/default_runtime.py",
]
model = dict(decode_head=dict(num_classes=7))
train_dataloader = dict(dataset=dict(labels=dict(num_points=20)))
