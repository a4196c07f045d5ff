"""The generated aerial dataset of ``make demo``, each image whole, at 512 × 512 pixels: for frozen features."""

_base_ = "./loveda_demo.py"
crop_size = (512, 512)  # nothing is cropped
resize = dict(_base_.resize, scale=crop_size)
train_pipeline = [*_base_.load, resize, _base_.pack]
test_pipeline = [_base_.load_image, resize, _base_.load_labels, _base_.pack]
train_dataloader = dict(
    batch_size=1, sampler=dict(type="DefaultSampler", shuffle=False), dataset=dict(pipeline=train_pipeline)
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
