"""Any folder of images, in crops of 256 square, the shorter side of the images 512 pixels.

A leaf says which: ``train_dataloader = dict(dataset=dict(data_root=…, classes=[…], split="train"))``, and the same for
val and test. tools/new_run.py writes such leaves. Masks are class indices, unless ``load_labels`` of the dataset says
otherwise.
"""

_base_ = "./loaders.py"
crop_size = (256, 256)
scale = (2048, 512)
load_image = dict(type="LoadImageFromFile")  # reads TIFFs with transparency too, which the drop-in refuses
load_labels = dict(type="mmseg_ext.LoadAnnotations")
load = [load_image, load_labels]
geometry = [
    dict(type="mmseg_ext.RandomResize", scale=scale, ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type="mmseg_ext.RandomCrop", crop_size=crop_size),
]
resize = dict(type="mmseg_ext.Resize", scale=scale, keep_ratio=True)
train_pipeline = [*load, *geometry, *_base_.finish]
test_pipeline = [load_image, resize, load_labels, _base_.pack]
train_dataloader = dict(
    batch_size=2, num_workers=2, dataset=dict(type="mmseg_ext.FolderDataset", pipeline=train_pipeline)
)
val_dataloader = dict(num_workers=1, dataset=dict(type="mmseg_ext.FolderDataset", pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = [dict(type="mmseg_ext.SegmentationMetric")]
test_evaluator = val_evaluator
