"""LoveDA, all labels: urban and rural images of Train, validation on Val. mmseg's own settings for LoveDA.

Labels 1..7 become 0..6 and 0 ("no data") is ignored: LoadAnnotations follows the dataset's ``reduce_zero_label``.

Validation on a tenth of Train, so that Val is left for the test:
--cfg-options train_dataloader.dataset.holdout=0.1
val_dataloader.dataset.holdout=0.1 val_dataloader.dataset.split=holdout
"""

_base_ = "./mmseg_512.py"
dataset_type = "mmseg_ext.LoveDADataset"
data_root = "data/loveDA"
test_pipeline = [
    _base_.load_image,
    dict(type="mmseg_ext.Resize", scale=(1024, 1024), keep_ratio=True),
    _base_.load_labels,  # after Resize: predictions are compared at the original size
    _base_.pack,
]
train_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root, split="train"))
val_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root, split="val", pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type="mmseg_ext.SegmentationMetric")
test_evaluator = val_evaluator
