"""Mask2Former on Swin-S, ADE20K.

python tools/train.py configs/mask2former/mask2former_swin-s_1xb16-160k_ade20k-512x512.py

Quoted: mmseg publishes 51.24 mIoU (its model zoo; 8 GPUs with 2 images each).

Differs from mmseg's mask2former_swin-s_8xb2-160k_ade20k-512x512.py:
- 16 images on one GPU, where mmseg has 2 on each of 8; so the learning rate is the same.
- `mmseg_ext.Mask2FormerHead` for `Mask2FormerHead`: no compiled op is needed.
- The scores are `mmseg_ext.SegmentationMetric`'s, one checkpoint is kept besides the best, and the seed is 0.
"""

_base_ = [
    "../_base_/models/mask2former_swin-s.py",
    "../_base_/datasets/ade20k_shortest_edge.py",
    "../_base_/schedules/adamw_swin-s_mask2former_160k.py",
    "../_base_/default_runtime.py",
]
model = dict(data_preprocessor=dict(size=_base_.crop_size))
train_dataloader = dict(batch_size=16)
