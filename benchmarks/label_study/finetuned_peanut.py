"""Peanut fields as the light head sees them: the shorter side at 1024 pixels, varied by 0.5 … 2, crops of 512 × 512."""

_base_ = ["./finetuned.py", "../../configs/_base_/datasets/peanut.py"]
geometry = [
    dict(type="mmseg_ext.RandomResize", scale=(2048, 1024), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type="mmseg_ext.RandomCrop", crop_size=(512, 512)),
]
train_pipeline = [_base_.load_image, _base_.load_labels, *geometry, *_base_.finish]
train_dataloader = dict(
    batch_size=2, sampler=dict(type="InfiniteSampler", shuffle=True), dataset=dict(pipeline=train_pipeline)
)
model = dict(decode_head=dict(num_classes=3))
