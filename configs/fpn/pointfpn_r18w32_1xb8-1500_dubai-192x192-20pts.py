"""Dubai, 20 labelled points an image, with the loss evaluated at the labelled pixels alone.

The same labels, value and gradients as fpn_r18w32_1xb8-1500_dubai-192x192-20pts.py; the logits are not enlarged.

python tools/train.py configs/fpn/pointfpn_r18w32_1xb8-1500_dubai-192x192-20pts.py
"""

_base_ = "./fpn_r18w32_1xb8-1500_dubai-192x192.py"
model = dict(
    decode_head=dict(
        type="mmseg_ext.PointFPNHead",
        loss_decode=dict(_delete_=True, type="mmseg_ext.PartialCrossEntropyLoss"),
    )
)
train_pipeline = [
    dict(type="mmseg_ext.LoadImageFromFile"),
    {{_base_.load_labels}},
    dict(type="mmseg_ext.SamplePoints", num_points=20),
    dict(
        type="mmseg_ext.RandomResize",
        scale={{_base_.scale}},
        ratio_range=(0.5, 2.0),
        keep_ratio=True,
        resize_type="mmseg_ext.PointSafeResize",
    ),
    dict(type="mmseg_ext.PointAwareRandomCrop", crop_size={{_base_.crop_size}}),
    dict(type="mmseg_ext.RandomFlip", prob=0.5),
    dict(type="mmseg_ext.PhotoMetricDistortion"),
    dict(type="mmseg_ext.PackSegInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
