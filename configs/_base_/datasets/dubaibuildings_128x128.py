"""The Dubai aerial images as in dubai_128x128.py, buildings against the rest."""

_base_ = "./dubai_128x128.py"
dataset_type = "mmseg_ext.DubaiBuildingsDataset"
load_buildings = dict(
    type="mmseg_ext.LoadGroupedColorAnnotations",
    groups=[["#8429F6", "#6EC1E4", "#FEDD3A", "#E2A929"], ["#3C1098"]],
    ignore_colors=["#9B9B9B"],  # "unlabeled"
    unknown="ignore",  # tiles 3, 5 and 6 hold a few pixels of #000000
)
train_pipeline = [
    dict(type="mmseg_ext.LoadImageFromFile"),
    load_buildings,
    dict(type="mmseg_ext.RandomResize", scale={{_base_.scale}}, ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type="mmseg_ext.RandomCrop", crop_size={{_base_.crop_size}}),
    dict(type="mmseg_ext.RandomFlip", prob=0.5),
    dict(type="mmseg_ext.PhotoMetricDistortion"),
    dict(type="mmseg_ext.PackSegInputs"),
]
test_pipeline = [
    dict(type="mmseg_ext.LoadImageFromFile"),
    dict(type="mmseg_ext.Resize", scale={{_base_.scale}}, keep_ratio=True),
    load_buildings,
    dict(type="mmseg_ext.PackSegInputs"),
]
train_dataloader = dict(dataset=dict(type=dataset_type, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(type=dataset_type, pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(type=dataset_type, pipeline=test_pipeline))
val_evaluator = [
    dict(type="mmseg_ext.SegmentationMetric"),
    dict(type="mmseg_ext.OriginalResolutionMetric", load_labels=load_buildings),
    dict(type="mmseg_ext.ThresholdMetric"),
]
test_evaluator = val_evaluator
