"""Dubai at two thirds of its size, 20 labelled points a class and image: class priors, and a mean teacher.

python tools/cross_validate.py configs/fpn/pointfpn_r18w32_1xb8-1500_dubai-128x128-20ppc.py
"""

_base_ = "./pointfpn_r18w32_1xb8-1500_dubai-128x128.py"
model = dict(
    type="mmseg_ext.SparseEncoderDecoder",
    class_priors=dict(),
    teacher=dict(momentum=0.01, start=300),
)
train_pipeline = [
    dict(type="mmseg_ext.LoadImageFromFile"),
    {{_base_.load_labels}},
    dict(type="mmseg_ext.SamplePoints", num_points=20, per="class"),
    dict(
        type="mmseg_ext.RandomResize",
        scale={{_base_.scale}},
        ratio_range=(0.5, 2.0),
        keep_ratio=True,
        resize_type="mmseg_ext.PointSafeResize",
    ),
    dict(type="mmseg_ext.PointAwareRandomCrop", crop_size={{_base_.crop_size}}),
    dict(type="mmseg_ext.RandomFlip", prob=0.5),
    dict(type="mmseg_ext.PhotoMetricDistortion"),
    dict(type="mmseg_ext.PackSegInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
