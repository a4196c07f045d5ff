"""K-Net on Swin-L with UPerNet, ADE20K.

python tools/train.py configs/knet/knet-s3_swin-l_upernet_1xb16-adamw-80k_ade20k-512x512.py

Quoted: mmseg publishes 52.05 mIoU (its model zoo; 8 GPUs with 2 images each).

Differs from mmseg's knet-s3_swin-l_upernet_8xb2-adamw-80k_ade20k-512x512.py:
- 16 images on one GPU, where mmseg has 2 on each of 8; so the learning rate is the same.
- `with_cp`: the backbone computes its activations again for the backward pass, for less memory, with the same result.
- The scores are `mmseg_ext.SegmentationMetric`'s, the best checkpoint is kept, and the seed is 0.
"""

_base_ = [
    "../_base_/models/knet-s3_swin-l_upernet.py",
    "../_base_/datasets/ade20k.py",
    "../_base_/schedules/adamw_swin_knet_80k.py",
    "../_base_/default_runtime.py",
]
model = dict(data_preprocessor=dict(size=_base_.crop_size), backbone=dict(with_cp=True))
train_dataloader = dict(batch_size=16)
