"""mmseg's own settings for crops of 512 × 512, of index masks: those of its ADE20K and LoveDA configs.

Where 0 is no class, LoadAnnotations follows the dataset's ``reduce_zero_label``.
"""

_base_ = "./loaders.py"
crop_size = (512, 512)
load_labels = dict(type="mmseg_ext.LoadAnnotations")
load = [_base_.load_image, load_labels]
geometry = [
    dict(type="mmseg_ext.RandomResize", scale=(2048, 512), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type="mmseg_ext.RandomCrop", crop_size=crop_size, cat_max_ratio=0.75),
]
train_pipeline = [*load, *geometry, *_base_.finish]
img_ratios = [0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
tta_pipeline = [
    _base_.load_image,
    dict(
        type="TestTimeAug",
        transforms=[
            [dict(type="mmseg_ext.Resize", scale_factor=ratio, keep_ratio=True) for ratio in img_ratios],
            [
                dict(type="mmseg_ext.RandomFlip", prob=0.0, direction="horizontal"),
                dict(type="mmseg_ext.RandomFlip", prob=1.0, direction="horizontal"),
            ],
            [load_labels],
            [_base_.pack],
        ],
    ),
]
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=train_pipeline))
