"""ADE20K for EoMT: images fit into 0.5 to 2 times 512 × 512, and are cropped there without regard to the classes."""

_base_ = "./ade20k.py"
geometry = [
    dict(type="mmseg_ext.RandomResize", scale=_base_.crop_size, ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type="mmseg_ext.RandomCrop", crop_size=_base_.crop_size),
]
train_pipeline = [*_base_.load, *geometry, *_base_.finish]
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=train_pipeline))
