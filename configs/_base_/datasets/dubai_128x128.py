"""The Dubai aerial images at two thirds of the size of dubai.py: the shorter side comes to 512, crops are 128 square.

A crop shows the same piece of ground, and a training step costs less than half.
"""

_base_ = "./dubai.py"
crop_size = (128, 128)
scale = (2048, 512)
train_pipeline = [
    dict(type="mmseg_ext.LoadImageFromFile"),
    {{_base_.load_labels}},
    dict(type="mmseg_ext.RandomResize", scale=scale, ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type="mmseg_ext.RandomCrop", crop_size=crop_size),
    dict(type="mmseg_ext.RandomFlip", prob=0.5),
    dict(type="mmseg_ext.PhotoMetricDistortion"),
    dict(type="mmseg_ext.PackSegInputs"),
]
test_pipeline = [
    dict(type="mmseg_ext.LoadImageFromFile"),
    dict(type="mmseg_ext.Resize", scale=scale, keep_ratio=True),
    {{_base_.load_labels}},
    dict(type="mmseg_ext.PackSegInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
