"""Dubai, all labels."""

_base_ = [
    "../_base_/models/fpn_r18w32.py",
    "../_base_/datasets/dubai.py",
    "../_base_/schedules/adamw_1500.py",
    "../_base_/default_runtime.py",
]
crop_size = (192, 192)
model = dict(data_preprocessor=dict(size=crop_size), decode_head=dict(num_classes=5))
