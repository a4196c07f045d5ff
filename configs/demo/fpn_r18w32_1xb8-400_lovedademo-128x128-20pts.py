"""x."""

_base_ = ["fpn_r18w32_1xb8-400_lovedademo-128x128.py"]
model = dict(decode_head=dict(loss_decode=dict(_delete_=True, type="mmseg_ext.PartialCrossEntropyLoss")))
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="mmseg_ext.SamplePoints", num_points=20),
    dict(
        type="RandomResize",
        scale=(256, 256),
        ratio_range=(0.5, 2.0),
        keep_ratio=True,
        resize_type="mmseg_ext.PointSafeResize",
    ),
    dict(type="mmseg_ext.PointAwareRandomCrop", crop_size=(128, 128), cat_max_ratio=0.75),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PhotoMetricDistortion"),
    dict(type="PackSegInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
