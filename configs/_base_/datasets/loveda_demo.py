"""The generated aerial dataset of ``make demo``, in LoveDA's layout: 256 × 256 pixels, seven classes, all labels."""

dataset_type = "mmseg_ext.LoveDADataset"
data_root = "data/loveda_demo"
crop_size = (128, 128)
scale = (256, 256)
ratio_range = (0.75, 1.5)  # narrower than the stock 0.5 to 2.0: a short training sees few sizes
load_labels = dict(type="mmseg_ext.LoadAnnotations")
train_pipeline = [
    dict(type="mmseg_ext.LoadImageFromFile"),
    load_labels,
    dict(type="mmseg_ext.RandomResize", scale=scale, ratio_range=ratio_range, keep_ratio=True),
    dict(type="mmseg_ext.RandomCrop", crop_size=crop_size, cat_max_ratio=0.75),
    dict(type="mmseg_ext.RandomFlip", prob=0.5),
    dict(type="mmseg_ext.PhotoMetricDistortion"),
    dict(type="mmseg_ext.PackSegInputs"),
]
test_pipeline = [
    dict(type="mmseg_ext.LoadImageFromFile"),
    dict(type="mmseg_ext.Resize", scale=scale, keep_ratio=True),
    load_labels,
    dict(type="mmseg_ext.PackSegInputs"),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(type=dataset_type, data_root=data_root, split="train", pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(type=dataset_type, data_root=data_root, split="val", pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="mmseg_ext.SegmentationMetric")
test_evaluator = val_evaluator
