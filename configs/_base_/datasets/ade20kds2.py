"""ADE20K at half its resolution: the same pipeline, so images are enlarged to the same 512 × 512 crops."""

_base_ = "./ade20k.py"
factor = 2
train_dataloader = dict(dataset=dict(factor=factor))
val_dataloader = dict(dataset=dict(factor=factor))
test_dataloader = dict(dataset=dict(factor=factor))
