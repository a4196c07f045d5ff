"""Semantic FPN on a ResNet-18 of half width (32 channels at first), from random weights: small enough for a CPU."""

_base_ = "./imagenet_preprocessor.py"
model = dict(
    type="EncoderDecoder",
    pretrained=None,
    backbone=dict(
        type="ResNetV1c",
        depth=18,
        stem_channels=32,
        base_channels=32,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        dilations=(1, 1, 1, 1),
        strides=(1, 2, 2, 2),
        norm_cfg=_base_.norm_cfg,
        norm_eval=False,
        style="pytorch",
        contract_dilation=True,
    ),
    neck=dict(type="FPN", in_channels=[32, 64, 128, 256], out_channels=64, num_outs=4),
    decode_head=dict(
        type="mmseg_ext.PointFPNHead",
        in_channels=[64, 64, 64, 64],
        in_index=[0, 1, 2, 3],
        feature_strides=[4, 8, 16, 32],
        channels=64,
        dropout_ratio=0.1,
        num_classes=150,
        norm_cfg=_base_.norm_cfg,
        align_corners=False,
        loss_decode=dict(type="mmseg_ext.PartialCrossEntropyLoss"),
    ),
    test_cfg=dict(mode="whole"),
)
