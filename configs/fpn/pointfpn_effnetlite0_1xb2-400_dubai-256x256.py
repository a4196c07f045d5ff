"""Dubai, the shorter side 512 pixels, a pretrained EfficientNet-Lite0 under a Semantic FPN, fine-tuned with all labels.

python tools/train.py configs/fpn/pointfpn_effnetlite0_1xb2-400_dubai-256x256.py

Measured: mIoU 56.91 (building 51.7, land 68.7, road 32.8, vegetation 46.3, water 85.0) on fold 0 alone, last iteration,
seed 0, with OMP_NUM_THREADS=1 (2026-11-26, AMD EPYC, torch 2.15.0, mmseg 1.4.2, timm 1.0.31). 400 iterations of two
crops are few: it is what a CPU fine-tunes in minutes, not the best that all labels can give.
"""

_base_ = [
    "../_base_/models/fpn_effnetlite0.py",
    "../_base_/datasets/dubai_256x256.py",
    "../_base_/schedules/adamw_400.py",
    "../_base_/default_runtime.py",
]
model = dict(data_preprocessor=dict(size=_base_.crop_size), decode_head=dict(num_classes=5))
custom_hooks = [*_base_.custom_hooks, dict(type="mmseg_ext.ChannelsLastHook")]
