"""LoveDA in crops of 518 × 518, 37 patches of 14: for DINOv2."""

_base_ = "./loveda.py"
crop_size = (518, 518)
geometry = [_base_.geometry[0], dict(_base_.geometry[1], crop_size=crop_size)]
train_pipeline = [*_base_.load, *geometry, *_base_.finish]
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=train_pipeline))
