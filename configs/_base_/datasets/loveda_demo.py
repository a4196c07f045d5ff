"""The generated aerial dataset of ``make demo``, in LoveDA's layout: 256 × 256 pixels, seven classes, all labels."""

_base_ = "./loaders.py"
dataset_type = "mmseg_ext.LoveDADataset"
data_root = "data/loveda_demo"
crop_size = (128, 128)
scale = (256, 256)
load_labels = dict(type="mmseg_ext.LoadAnnotations")
load = [_base_.load_image, load_labels]
geometry = [
    # Narrower than the stock 0.5 to 2.0: a short training sees few sizes.
    dict(type="mmseg_ext.RandomResize", scale=scale, ratio_range=(0.75, 1.5), keep_ratio=True),
    dict(type="mmseg_ext.RandomCrop", crop_size=crop_size, cat_max_ratio=0.75),
]
resize = dict(type="mmseg_ext.Resize", scale=scale, keep_ratio=True)
train_pipeline = [*load, *geometry, *_base_.finish]
test_pipeline = [_base_.load_image, resize, load_labels, _base_.pack]
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    dataset=dict(type=dataset_type, data_root=data_root, split="train", pipeline=train_pipeline),
)
val_dataloader = dict(
    num_workers=1, dataset=dict(type=dataset_type, data_root=data_root, split="val", pipeline=test_pipeline)
)
test_dataloader = val_dataloader
val_evaluator = dict(type="mmseg_ext.SegmentationMetric")
test_evaluator = val_evaluator
