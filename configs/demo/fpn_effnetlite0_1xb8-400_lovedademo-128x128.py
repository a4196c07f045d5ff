"""The demo's run on all labels with a pretrained network: an EfficientNet-Lite0, all of it fine-tuned.

python tools/train.py configs/demo/fpn_effnetlite0_1xb8-400_lovedademo-128x128.py
"""

_base_ = [
    "../_base_/models/fpn_effnetlite0.py",
    "../_base_/datasets/loveda_demo.py",
    "../_base_/schedules/adamw_400.py",
    "../_base_/default_runtime.py",
]
model = dict(data_preprocessor=dict(size=_base_.crop_size), decode_head=dict(num_classes=7))
custom_hooks = [*_base_.custom_hooks, dict(type="mmseg_ext.ChannelsLastHook")]
