"""ADE20K for Mask2Former: the shorter side is resized to one of sixteen lengths from 256 to 1024, as mmseg does."""

_base_ = "./ade20k.py"
resize = dict(
    type="RandomChoiceResize",
    scales=[int(512 * tenth * 0.1) for tenth in range(5, 21)],
    resize_type="ResizeShortestEdge",
    max_size=2048,
)
geometry = [resize, _base_.geometry[1]]
train_pipeline = [*_base_.load, *geometry, *_base_.finish]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
