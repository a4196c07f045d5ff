"""ADE20K at its original resolution, all labels, 150 classes. mmseg's own settings for ADE20K at 512 × 512.

Every evaluation gives two scores: at the resolution of the data (mIoU) and, by predictions enlarged to them, on the
original labels (original/mIoU), which compares factors fairly. At factor 1 the two are one. The first alone:
--cfg-options val_dataloader.dataset.original_labels=False test_dataloader.dataset.original_labels=False

Labels 1..150 become 0..149 and 0 ("other") is ignored: LoadAnnotations follows the dataset's ``reduce_zero_label``.
"""

_base_ = "./mmseg_512.py"
dataset_type = "mmseg_ext.DownsampledADE20KDataset"
factor = 1
test_pipeline = [
    _base_.load_image,
    dict(type="mmseg_ext.Resize", scale=(2048, 512), keep_ratio=True),
    _base_.load_labels,  # after Resize: predictions are compared at the original size
    _base_.pack,
]
train_dataloader = dict(dataset=dict(type=dataset_type, factor=factor, split="train"))
val_dataloader = dict(
    dataset=dict(type=dataset_type, factor=factor, split="val", original_labels=True, pipeline=test_pipeline)
)
test_dataloader = val_dataloader
val_evaluator = [
    dict(type="mmseg_ext.SegmentationMetric"),
    dict(type="mmseg_ext.OriginalResolutionMetric", load_labels=_base_.load_labels),
]
test_evaluator = val_evaluator
