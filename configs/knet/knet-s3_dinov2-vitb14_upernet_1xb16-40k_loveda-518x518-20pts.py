r"""K-Net on a frozen DINOv2 ViT-B/14, LoveDA, 20 labelled points an image.

python tools/train.py configs/knet/knet-s3_dinov2-vitb14_upernet_1xb16-40k_loveda-518x518-20pts.py \
    --cfg-options model.backbone.checkpoint=timm

Not measured yet; nothing is published for it.
"""

_base_ = [
    "../_base_/models/knet-s3_dinov2-vitb14_upernet_loveda.py",
    "../_base_/datasets/loveda_20pts_518.py",
    "../_base_/schedules/adamw_40k.py",
    "../_base_/default_runtime.py",
]
crop_size = (518, 518)
loss = dict(_delete_=True, type="mmseg_ext.PartialCrossEntropyLoss")
model = dict(
    data_preprocessor=dict(size=crop_size),
    decode_head=dict(kernel_generate_head=dict(loss_decode=loss)),
    auxiliary_head=dict(loss_decode=dict(loss_weight=0.4, **loss)),
)
