"""LoveDA, all labels: urban and rural images of Train, validation on Val. mmseg's own settings for LoveDA.

Labels 1..7 become 0..6 and 0 ("no data") is ignored: LoadAnnotations follows the dataset's ``reduce_zero_label``.

Validation on a tenth of Train, so that Val is left for the test:
--cfg-options train_dataloader.dataset.holdout=0.1
val_dataloader.dataset.holdout=0.1 val_dataloader.dataset.split=holdout
"""

dataset_type = "mmseg_ext.LoveDADataset"
data_root = "data/loveDA"
crop_size = (512, 512)
load_labels = dict(type="mmseg_ext.LoadAnnotations")
train_pipeline = [
    dict(type="mmseg_ext.LoadImageFromFile"),
    load_labels,
    dict(type="mmseg_ext.RandomResize", scale=(2048, 512), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type="mmseg_ext.RandomCrop", crop_size=crop_size, cat_max_ratio=0.75),
    dict(type="mmseg_ext.RandomFlip", prob=0.5),
    dict(type="mmseg_ext.PhotoMetricDistortion"),
    dict(type="mmseg_ext.PackSegInputs"),
]
test_pipeline = [
    dict(type="mmseg_ext.LoadImageFromFile"),
    dict(type="mmseg_ext.Resize", scale=(1024, 1024), keep_ratio=True),
    load_labels,  # after Resize: predictions are compared at the original size
    dict(type="mmseg_ext.PackSegInputs"),
]
img_ratios = [0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
tta_pipeline = [
    dict(type="mmseg_ext.LoadImageFromFile"),
    dict(
        type="TestTimeAug",
        transforms=[
            [dict(type="mmseg_ext.Resize", scale_factor=ratio, keep_ratio=True) for ratio in img_ratios],
            [
                dict(type="mmseg_ext.RandomFlip", prob=0.0, direction="horizontal"),
                dict(type="mmseg_ext.RandomFlip", prob=1.0, direction="horizontal"),
            ],
            [load_labels],
            [dict(type="mmseg_ext.PackSegInputs")],
        ],
    ),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(type=dataset_type, data_root=data_root, split="train", pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(type=dataset_type, data_root=data_root, split="val", pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="mmseg_ext.SegmentationMetric")
test_evaluator = val_evaluator
