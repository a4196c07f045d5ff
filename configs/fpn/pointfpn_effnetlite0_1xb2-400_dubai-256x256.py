"""Dubai, a pretrained EfficientNet-Lite0 under a Semantic FPN, fine-tuned with all labels.

python tools/cross_validate.py configs/fpn/pointfpn_effnetlite0_1xb2-400_dubai-256x256.py
"""

_base_ = [
    "../_base_/models/fpn_effnetlite0.py",
    "../_base_/datasets/dubai_256x256.py",
    "../_base_/schedules/adamw_400.py",
    "../_base_/default_runtime.py",
]
model = dict(data_preprocessor=dict(size=_base_.crop_size), decode_head=dict(num_classes=5))
custom_hooks = [*_base_.custom_hooks, dict(type="mmseg_ext.ChannelsLastHook")]
