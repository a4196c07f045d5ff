"""ADE20K for Mask2Former: the shorter side is resized to one of sixteen lengths from 256 to 1024, as mmseg does."""

_base_ = "./ade20k.py"
train_pipeline = [
    dict(type="mmseg_ext.LoadImageFromFile"),
    {{_base_.load_labels}},
    dict(
        type="RandomChoiceResize",
        scales=[int(512 * tenth * 0.1) for tenth in range(5, 21)],
        resize_type="ResizeShortestEdge",
        max_size=2048,
    ),
    dict(type="mmseg_ext.RandomCrop", crop_size={{_base_.crop_size}}, cat_max_ratio=0.75),
    dict(type="mmseg_ext.RandomFlip", prob=0.5),
    dict(type="mmseg_ext.PhotoMetricDistortion"),
    dict(type="mmseg_ext.PackSegInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
