"""The Dubai aerial images at two thirds of the size of dubai.py: the shorter side comes to 512, crops are 128 square.

A crop shows the same piece of ground, and a training step costs less than half.
"""

_base_ = "./dubai.py"
crop_size = (128, 128)
scale = (2048, 512)
geometry = [dict(_base_.geometry[0], scale=scale), dict(_base_.geometry[1], crop_size=crop_size)]
resize = dict(_base_.resize, scale=scale)
train_pipeline = [*_base_.load, *geometry, *_base_.finish]
test_pipeline = [_base_.load_image, resize, _base_.load_labels, _base_.pack]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
