r"""UPerNet on a fine-tuned DINOv2 ViT-B/14, LoveDA, 20 labelled points an image.

python tools/train.py configs/upernet/upernet_dinov2-vitb14_1xb16-layerdecay-80k_loveda-518x518-20pts.py \
    --cfg-options model.backbone.checkpoint=timm

Not measured yet; nothing is published for it.
"""

_base_ = [
    "../_base_/models/upernet_dinov2-vitb14.py",
    "../_base_/datasets/loveda_20pts_518.py",
    "../_base_/schedules/adamw_layerdecay_80k.py",
    "../_base_/default_runtime.py",
]
crop_size = (518, 518)
loss = dict(_delete_=True, type="mmseg_ext.PartialCrossEntropyLoss")
model = dict(
    data_preprocessor=dict(size=crop_size),
    backbone=dict(frozen=False, drop_path_rate=0.1, with_cp=True),
    decode_head=dict(num_classes=7, loss_decode=loss),
    auxiliary_head=dict(num_classes=7, loss_decode=dict(loss_weight=0.4, **loss)),
)
