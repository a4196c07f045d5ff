"""ADE20K at a quarter of its resolution, enlarged to crops of 518 × 518, 37 patches of 14: for DINOv2."""

_base_ = "./ade20k_518.py"
factor = 4
train_dataloader = dict(dataset=dict(factor=factor))
val_dataloader = dict(dataset=dict(factor=factor))
test_dataloader = dict(dataset=dict(factor=factor))
