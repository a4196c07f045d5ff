"""The Dubai aerial images, fold 0 of three, all labels.

Another fold:
--cfg-options train_dataloader.dataset.fold=1 val_dataloader.dataset.fold=1 test_dataloader.dataset.fold=1,
or all three in turn by tools/cross_validate.py.

Every evaluation gives two scores, which differ on downsampled copies alone: at the resolution of the data (mIoU) and,
by predictions enlarged to them, on the original labels (original/mIoU). The first alone:
--cfg-options val_dataloader.dataset.original_labels=False test_dataloader.dataset.original_labels=False
"""

_base_ = "./loaders.py"
dataset_type = "mmseg_ext.DubaiAerialDataset"
data_root = "data/dubai"
crop_size = (192, 192)
scale = (2048, 768)  # the shorter side, from 509 to 1058 pixels, comes to 768
load_labels = dict(
    type="mmseg_ext.LoadColorAnnotations",
    palette=["#3C1098", "#8429F6", "#6EC1E4", "#FEDD3A", "#E2A929"],
    ignore_colors=["#9B9B9B"],  # "unlabeled"
    unknown="ignore",  # tiles 3, 5 and 6 hold a few pixels of #000000
)
load = [_base_.load_image, load_labels]
geometry = [
    dict(type="mmseg_ext.RandomResize", scale=scale, ratio_range=(0.5, 2.0), keep_ratio=True),
    # No cat_max_ratio: it turns away crops of a single class, which are many where crops are small. A network that had
    # seen little open water called it vegetation.
    dict(type="mmseg_ext.RandomCrop", crop_size=crop_size),
]
resize = dict(type="mmseg_ext.Resize", scale=scale, keep_ratio=True)
train_pipeline = [*load, *geometry, *_base_.finish]
test_pipeline = [_base_.load_image, resize, load_labels, _base_.pack]
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    dataset=dict(type=dataset_type, data_root=data_root, split="train", fold=0, pipeline=train_pipeline),
)
val_dataloader = dict(
    num_workers=1,
    dataset=dict(
        type=dataset_type, data_root=data_root, split="val", fold=0, original_labels=True, pipeline=test_pipeline
    ),
)
test_dataloader = val_dataloader
val_evaluator = [
    dict(type="mmseg_ext.SegmentationMetric"),
    dict(type="mmseg_ext.OriginalResolutionMetric", load_labels=load_labels),
]
test_evaluator = val_evaluator
