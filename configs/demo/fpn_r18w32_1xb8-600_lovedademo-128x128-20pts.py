"""The demo's run on 20 labelled points an image: differs from the fully labelled one in the lines below alone.

python tools/train.py configs/demo/fpn_r18w32_1xb8-600_lovedademo-128x128-20pts.py

Measured: mIoU 42.8 (last = best, seed 0), 75 seconds on two threads (2026-11-20, AMD EPYC, torch 2.15.0).
One thread rounds differently: 44.3.
"""

_base_ = "./fpn_r18w32_1xb8-600_lovedademo-128x128.py"
model = dict(decode_head=dict(loss_decode=dict(_delete_=True, type="mmseg_ext.PartialCrossEntropyLoss")))
train_pipeline = [
    dict(type="mmseg_ext.LoadImageFromFile"),
    {{_base_.load_labels}},
    dict(type="mmseg_ext.SamplePoints", num_points=20),
    dict(
        type="mmseg_ext.RandomResize",
        scale={{_base_.scale}},
        ratio_range={{_base_.ratio_range}},
        keep_ratio=True,
        resize_type="mmseg_ext.PointSafeResize",
    ),
    dict(type="mmseg_ext.PointAwareRandomCrop", crop_size={{_base_.crop_size}}, cat_max_ratio=0.75),
    dict(type="mmseg_ext.RandomFlip", prob=0.5),
    dict(type="mmseg_ext.PhotoMetricDistortion"),
    dict(type="mmseg_ext.PackSegInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
