"""ADE20K, each image whole and once, the shorter side 512 pixels: for frozen features."""

_base_ = "./ade20k.py"
train_pipeline = [*_base_.load, _base_.test_pipeline[1], _base_.pack]
train_dataloader = dict(
    batch_size=1, sampler=dict(type="DefaultSampler", shuffle=False), dataset=dict(pipeline=train_pipeline)
)
