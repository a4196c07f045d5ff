"""Photographs of peanut fields, crop and weed by colour, fold 0 of three, each whole and once: for frozen features.

The shorter side is 1024 pixels. Neighbouring numbers can be of one scene: the folds are contiguous thirds of the sorted
names. Another fold:
--cfg-options train_dataloader.dataset.fold=1 val_dataloader.dataset.fold=1 test_dataloader.dataset.fold=1,
or all three in turn by tools/cross_validate.py.
"""

_base_ = "./loaders.py"
crop_size = (1024, 1024)  # at least; nothing is cropped
scale = (2048, 1024)
palette = ["#000000", "#00FF00", "#FF0000"]
load_labels = dict(type="mmseg_ext.LoadColorAnnotations", palette=palette)
resize = dict(type="mmseg_ext.Resize", scale=scale, keep_ratio=True)
train_pipeline = [_base_.load_image, load_labels, resize, _base_.pack]
test_pipeline = [_base_.load_image, resize, load_labels, _base_.pack]
peanut = dict(
    type="mmseg_ext.FolderDataset",
    data_root="data/peanut",
    masks="labels",
    classes=["background", "crop", "weed"],
    palette=palette,
    num_folds=3,
    fold=0,
)
train_dataloader = dict(
    batch_size=1,
    num_workers=2,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(split="train", pipeline=train_pipeline, **peanut),
)
val_dataloader = dict(num_workers=1, dataset=dict(split="val", pipeline=test_pipeline, **peanut))
test_dataloader = val_dataloader
val_evaluator = [dict(type="mmseg_ext.SegmentationMetric")]
test_evaluator = val_evaluator
