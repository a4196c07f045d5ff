"""UPerNet on Swin-T, ADE20K at a quarter of its resolution.

python tools/train.py configs/upernet/upernet_swin-t_1xb16-160k_ade20kds4-512x512.py

Not measured; nothing is published for it. All but the data is as in upernet_swin-t_1xb16-160k_ade20k-512x512.py.
"""

_base_ = [
    "../_base_/models/upernet_swin-t.py",
    "../_base_/datasets/ade20kds4.py",
    "../_base_/schedules/adamw_swin_160k.py",
    "../_base_/default_runtime.py",
]
crop_size = (512, 512)
model = dict(data_preprocessor=dict(size=crop_size))
train_dataloader = dict(batch_size=16)
