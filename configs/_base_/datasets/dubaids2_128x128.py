"""The Dubai aerial images at 1/2 of their resolution: the same pipeline, so images are enlarged to the same size.

python tools/downsample.py data/dubai --factor 2
"""

_base_ = "./dubai_128x128.py"
data_root = "data/dubai_ds_2"
factor = 2
train_dataloader = dict(dataset=dict(data_root=data_root, factor=factor))
val_dataloader = dict(dataset=dict(data_root=data_root, factor=factor))
test_dataloader = dict(dataset=dict(data_root=data_root, factor=factor))
