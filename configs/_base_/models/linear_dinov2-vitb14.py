"""A linear probe: one linear layer on the last features of a frozen DINOv2 ViT-B/14.

`checkpoint` is None, so that the file loads without a download. Give it the weights:
--cfg-options model.backbone.checkpoint=timm (timm's download) or =FILE. See docs/dino.md.
"""

norm_cfg = dict(type="SyncBN", requires_grad=True)
data_preprocessor = dict(
    type="SegDataPreProcessor",
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    test_cfg=dict(size_divisor=14),
)
model = dict(
    type="EncoderDecoder",
    data_preprocessor=data_preprocessor,
    backbone=dict(type="mmseg_ext.DINO", arch="dinov2_vitb14", checkpoint=None, out_indices=[11], frozen=True),
    decode_head=dict(
        type="mmseg_ext.LinearHead",
        in_channels=[768],
        num_classes=150,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode="slide", crop_size=(518, 518), stride=(341, 341)),
)
