"""Aerial images with masks of buildings in data/buildings/{images,masks}; a fifth is held out for validation.

Masks hold 0 and 255; where they hold 0 and 1, write kind="0/1" below.
"""

_base_ = "./loaders.py"
dataset_type = "mmseg_ext.BinaryMaskDataset"
data_root = "data/buildings"
crop_size = (512, 512)
load_labels = dict(type="mmseg_ext.LoadBinaryAnnotations", kind="0/255")
load_image = dict(type="LoadImageFromFile")  # reads TIFFs with transparency too, which the drop-in refuses
flip = dict(type="mmseg_ext.RandomFlip", prob=[0.25, 0.25, 0.25], direction=["horizontal", "vertical", "diagonal"])
load = [load_image, load_labels]
geometry = [
    dict(type="mmseg_ext.RandomResize", scale=(4096, 1024), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type="mmseg_ext.RandomCrop", crop_size=crop_size),
]
finish = [flip, *_base_.finish[1:]]
train_pipeline = [*load, *geometry, *finish]
test_pipeline = [
    load_image,
    dict(type="mmseg_ext.Resize", scale=(4096, 1024), keep_ratio=True),  # the scale that training is around
    load_labels,  # after Resize: predictions are compared at the original size
    _base_.pack,
]
train_dataloader = dict(
    batch_size=8,
    dataset=dict(type=dataset_type, data_root=data_root, split="train", foreground="building", pipeline=train_pipeline),
)
val_dataloader = dict(
    dataset=dict(type=dataset_type, data_root=data_root, split="val", foreground="building", pipeline=test_pipeline)
)
test_dataloader = val_dataloader
val_evaluator = [dict(type="mmseg_ext.SegmentationMetric"), dict(type="mmseg_ext.ThresholdMetric")]
test_evaluator = val_evaluator
