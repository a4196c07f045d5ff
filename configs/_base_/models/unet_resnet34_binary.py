"""The U-Net on ResNet-34 with one output channel and a sigmoid; BCE and F1 over the labelled pixels."""

_base_ = "./unet_resnet34.py"
model = dict(
    decode_head=dict(
        num_classes=2,
        out_channels=1,
        threshold=0.5,  # until the first evaluation has chosen one
        loss_decode=[
            dict(type="mmseg_ext.PartialBinaryCrossEntropyLoss"),
            dict(type="mmseg_ext.PartialDiceLoss", use_sigmoid=True),
        ],
    ),
)
