"""U-Net of segmentation-models-pytorch on a ResNet-34 pretrained on ImageNet."""

_base_ = "./imagenet_preprocessor.py"
model = dict(
    type="EncoderDecoder",
    pretrained=None,
    backbone=dict(type="mmseg_ext.SMPBackbone", arch="unet", encoder_name="resnet34", encoder_weights="imagenet"),
    decode_head=dict(
        type="mmseg_ext.PointFCNHead",  # dense labels too: same loss, less memory
        in_channels=16,
        in_index=0,
        channels=16,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0.0,
        num_classes=150,
        norm_cfg=_base_.norm_cfg,
        align_corners=False,
        loss_decode=dict(type="mmseg_ext.PartialCrossEntropyLoss"),
    ),
    test_cfg=dict(mode="whole"),
)
