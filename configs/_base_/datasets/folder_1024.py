"""Any folder of images as in folder_256x256.py, each whole, the shorter side 1024 pixels: for frozen features."""

_base_ = "./folder_256x256.py"
crop_size = (1024, 1024)  # at least; nothing is cropped
resize = dict(_base_.resize, scale=(2048, 1024))
train_pipeline = [*_base_.load, resize, _base_.pack]
test_pipeline = [_base_.load_image, resize, _base_.load_labels, _base_.pack]
train_dataloader = dict(
    batch_size=1, sampler=dict(type="DefaultSampler", shuffle=False), dataset=dict(pipeline=train_pipeline)
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
