"""Dubai, 20 labelled points an image: differs from the fully labelled config in the lines below alone."""

_base_ = "./fpn_r18w32_1xb8-1500_dubai-192x192.py"
model = dict(decode_head=dict(loss_decode=dict(_delete_=True, type="mmseg_ext.PartialCrossEntropyLoss")))
train_pipeline = [
    dict(type="LoadImageFromFile"),
    {{_base_.load_labels}},
    dict(type="mmseg_ext.SamplePoints", num_points=20),
    dict(
        type="RandomResize",
        scale={{_base_.scale}},
        ratio_range=(0.5, 2.0),
        keep_ratio=True,
        resize_type="mmseg_ext.PointSafeResize",
    ),
    dict(type="mmseg_ext.PointAwareRandomCrop", crop_size={{_base_.crop_size}}),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PhotoMetricDistortion"),
    dict(type="PackSegInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
