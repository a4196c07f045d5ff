"""Mask2Former on Swin-S, ADE20K at a quarter of its resolution.

python tools/train.py configs/mask2former/mask2former_swin-s_1xb16-160k_ade20kds4-512x512.py

Not measured; nothing is published for it. All but the data is as in mask2former_swin-s_1xb16-160k_ade20k-512x512.py.
"""

_base_ = [
    "../_base_/models/mask2former_swin-s.py",
    "../_base_/datasets/ade20kds4_shortest_edge.py",
    "../_base_/schedules/adamw_swin-s_mask2former_160k.py",
    "../_base_/default_runtime.py",
]
crop_size = (512, 512)
model = dict(data_preprocessor=dict(size=crop_size))
train_dataloader = dict(batch_size=16)
