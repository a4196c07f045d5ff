"""Dubai, a pretrained EfficientNet-Lite0 under a Semantic FPN, fine-tuned with 20 labelled points a class and image.

python tools/train.py configs/fpn/pointfpn_effnetlite0_1xb2-400_dubai-256x256-20ppc.py

Measured: mIoU 44.08 (building 45.2, land 46.3, road 37.2, vegetation 21.0, water 70.6) on fold 0 alone, last iteration,
seed 0, with OMP_NUM_THREADS=1 (2026-11-26, AMD EPYC, torch 2.15.0, mmseg 1.4.2, timm 1.0.31); with all labels 56.91.
"""

_base_ = "./pointfpn_effnetlite0_1xb2-400_dubai-256x256.py"
train_dataloader = dict(dataset=dict(labels=dict(num_points=20, per="class")))
