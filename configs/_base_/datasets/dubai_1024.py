"""The Dubai aerial images as in dubai.py, each whole and once, the shorter side 1024 pixels: for frozen features."""

_base_ = "./dubai.py"
crop_size = (1024, 1024)  # at least; nothing is cropped
scale = (2048, 1024)
resize = dict(_base_.resize, scale=scale)
train_pipeline = [*_base_.load, resize, _base_.pack]
test_pipeline = [_base_.load_image, resize, _base_.load_labels, _base_.pack]
train_dataloader = dict(
    batch_size=1, sampler=dict(type="DefaultSampler", shuffle=False), dataset=dict(pipeline=train_pipeline)
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
