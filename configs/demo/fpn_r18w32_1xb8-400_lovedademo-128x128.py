"""x."""

_base_ = [
    "../_base_/models/fpn_r18w32.py",
    "../_base_/datasets/loveda_demo.py",
    "../_base_/schedules/adamw_400.py",
    "../_base_/default_runtime.py",
]
crop_size = (128, 128)
model = dict(data_preprocessor=dict(size=crop_size), decode_head=dict(num_classes=7))
