"""Dubai as large as the light head sees it: the shorter side at 1024 pixels, varied by 0.5 … 2, crops of 512 × 512."""

_base_ = ["./finetuned.py", "../../configs/_base_/datasets/dubai.py"]
crop_size = (512, 512)
scale = (2048, 1024)
geometry = [dict(_base_.geometry[0], scale=scale), dict(_base_.geometry[1], crop_size=crop_size)]
train_pipeline = [*_base_.load, *geometry, *_base_.finish]
test_pipeline = [_base_.load_image, dict(_base_.resize, scale=scale), _base_.load_labels, _base_.pack]
train_dataloader = dict(batch_size=2, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(original_labels=False, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = [dict(type="mmseg_ext.SegmentationMetric")]
test_evaluator = val_evaluator
model = dict(decode_head=dict(num_classes=5))
