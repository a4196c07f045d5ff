"""ADE20K at an eighth of its resolution: the same pipeline, so images are enlarged to the same 512 × 512 crops."""

_base_ = "./ade20k.py"
factor = 8
train_dataloader = dict(dataset=dict(factor=factor))
val_dataloader = dict(dataset=dict(factor=factor))
test_dataloader = dict(dataset=dict(factor=factor))
