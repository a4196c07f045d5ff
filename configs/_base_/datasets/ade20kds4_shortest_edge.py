"""ADE20K at a quarter of its resolution for Mask2Former: the same pipeline, so images are enlarged as far."""

_base_ = "./ade20k_shortest_edge.py"
factor = 4
train_dataloader = dict(dataset=dict(factor=factor))
val_dataloader = dict(dataset=dict(factor=factor))
test_dataloader = dict(dataset=dict(factor=factor))
