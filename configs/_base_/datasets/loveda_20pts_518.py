"""LoveDA with 20 labelled points an image, in crops of 518 × 518, through transforms that keep the points."""

_base_ = "./loveda_518.py"
train_pipeline = [
    dict(type="mmseg_ext.LoadImageFromFile"),
    {{_base_.load_labels}},
    dict(type="mmseg_ext.SamplePoints", num_points=20),
    dict(
        type="mmseg_ext.RandomResize",
        scale=(2048, 512),
        ratio_range=(0.5, 2.0),
        keep_ratio=True,
        resize_type="mmseg_ext.PointSafeResize",
    ),
    dict(type="mmseg_ext.PointAwareRandomCrop", crop_size={{_base_.crop_size}}, cat_max_ratio=0.75),
    dict(type="mmseg_ext.RandomFlip", prob=0.5),
    dict(type="mmseg_ext.PhotoMetricDistortion"),
    dict(type="mmseg_ext.PackSegInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
