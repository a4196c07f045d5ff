"""DeepGlobe land cover at a quarter of its resolution (2448 becomes 612), fold 0 of five; "unknown" is ignored.

python tools/downsample.py data/deepglobe --factor 4
"""

_base_ = "./loaders.py"
dataset_type = "mmseg_ext.DeepGlobeLandCoverDataset"
factor = 4
crop_size = (512, 512)
load_labels = dict(
    type="mmseg_ext.LoadBinarizedColorAnnotations",
    palette=["#00FFFF", "#FFFF00", "#FF00FF", "#00FF00", "#0000FF", "#FFFFFF"],
    ignore_colors=["#000000"],  # "unknown"
)
flip = dict(type="mmseg_ext.RandomFlip", prob=[0.25, 0.25, 0.25], direction=["horizontal", "vertical", "diagonal"])
load = [_base_.load_image, load_labels]
geometry = [
    dict(type="mmseg_ext.RandomResize", scale=(612, 612), ratio_range=(0.85, 1.5), keep_ratio=True),
    dict(type="mmseg_ext.RandomCrop", crop_size=crop_size),
]
finish = [flip, *_base_.finish[1:]]
train_pipeline = [*load, *geometry, *finish]
test_pipeline = [*load, _base_.pack]
train_dataloader = dict(
    batch_size=8, dataset=dict(type=dataset_type, split="train", fold=0, factor=factor, pipeline=train_pipeline)
)
val_dataloader = dict(
    dataset=dict(type=dataset_type, split="val", fold=0, factor=factor, original_labels=True, pipeline=test_pipeline)
)
test_dataloader = val_dataloader
val_evaluator = [
    dict(type="mmseg_ext.SegmentationMetric"),
    dict(type="mmseg_ext.OriginalResolutionMetric", load_labels=load_labels),
]
test_evaluator = val_evaluator
