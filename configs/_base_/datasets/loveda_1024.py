"""LoveDA, each image whole and once, 1024 × 1024: for frozen features."""

_base_ = "./loveda.py"
crop_size = (1024, 1024)  # nothing is cropped
train_pipeline = [*_base_.load, _base_.test_pipeline[1], _base_.pack]
train_dataloader = dict(
    batch_size=1, sampler=dict(type="DefaultSampler", shuffle=False), dataset=dict(pipeline=train_pipeline)
)
