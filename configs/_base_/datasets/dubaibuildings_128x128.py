"""The Dubai aerial images as in dubai_128x128.py, buildings against the rest."""

_base_ = "./dubai_128x128.py"
dataset_type = "mmseg_ext.DubaiBuildingsDataset"
load_buildings = dict(
    type="mmseg_ext.LoadGroupedColorAnnotations",
    groups=[["#8429F6", "#6EC1E4", "#FEDD3A", "#E2A929"], ["#3C1098"]],
    ignore_colors=["#9B9B9B"],  # "unlabeled"
    unknown="ignore",  # tiles 3, 5 and 6 hold a few pixels of #000000
)
load = [_base_.load_image, load_buildings]
train_pipeline = [*load, *_base_.geometry, *_base_.finish]
test_pipeline = [_base_.load_image, _base_.resize, load_buildings, _base_.pack]
train_dataloader = dict(dataset=dict(type=dataset_type, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(type=dataset_type, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = [
    dict(type="mmseg_ext.SegmentationMetric"),
    dict(type="mmseg_ext.OriginalResolutionMetric", load_labels=load_buildings),
    dict(type="mmseg_ext.ThresholdMetric"),
]
test_evaluator = val_evaluator
