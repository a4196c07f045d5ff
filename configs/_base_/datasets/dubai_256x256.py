"""The Dubai aerial images as in dubai_128x128.py, the shorter side 512 pixels, in crops of 256 square."""

_base_ = "./dubai_128x128.py"
crop_size = (256, 256)
geometry = [_base_.geometry[0], dict(_base_.geometry[1], crop_size=crop_size)]
train_pipeline = [*_base_.load, *geometry, *_base_.finish]
train_dataloader = dict(batch_size=2, dataset=dict(pipeline=train_pipeline))
