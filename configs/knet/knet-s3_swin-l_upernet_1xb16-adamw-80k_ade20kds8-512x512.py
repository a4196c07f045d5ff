"""K-Net on Swin-L with UPerNet, ADE20K at an eighth of its resolution.

python tools/train.py configs/knet/knet-s3_swin-l_upernet_1xb16-adamw-80k_ade20kds8-512x512.py

Not measured; nothing is published for it.
All but the data is as in knet-s3_swin-l_upernet_1xb16-adamw-80k_ade20k-512x512.py.
"""

_base_ = [
    "../_base_/models/knet-s3_swin-l_upernet.py",
    "../_base_/datasets/ade20kds8.py",
    "../_base_/schedules/adamw_swin_knet_80k.py",
    "../_base_/default_runtime.py",
]
crop_size = (512, 512)
model = dict(data_preprocessor=dict(size=crop_size), backbone=dict(with_cp=True))
train_dataloader = dict(batch_size=16)
