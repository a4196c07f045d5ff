"""UPerNet on Swin-T, ADE20K.

python tools/train.py configs/upernet/upernet_swin-t_1xb16-160k_ade20k-512x512.py

Quoted: mmseg publishes 44.41 mIoU (its model zoo; 8 GPUs with 2 images each).

Differs from mmseg's swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py:
- 16 images on one GPU, where mmseg has 2 on each of 8; so the learning rate is the same.
- The scores are `mmseg_ext.SegmentationMetric`'s, the best checkpoint is kept, and the seed is 0.
"""

_base_ = [
    "../_base_/models/upernet_swin-t.py",
    "../_base_/datasets/ade20k.py",
    "../_base_/schedules/adamw_swin_160k.py",
    "../_base_/default_runtime.py",
]
model = dict(data_preprocessor=dict(size=_base_.crop_size))
train_dataloader = dict(batch_size=16)
