"""Dubai, a pretrained EfficientNet-Lite0 under a Semantic FPN, taught by 20 points a class and image, completed.

python tools/train.py configs/fpn/pointfpn_effnetlite0_1xb2-400_dubai-256x256-20ppc-completed.py

The labels of the training images are completed first, by light heads on frozen features: docs/completion.md.

Measured: mIoU 57.15 (building 50.4, land 68.6, road 36.2, vegetation 45.9, water 84.5) on fold 0 alone, last iteration,
seed 0, with OMP_NUM_THREADS=1 (2026-11-26, AMD EPYC, torch 2.15.0, mmseg 1.4.2, timm 1.0.31, scikit-learn 1.9.1); with
the points alone 44.08, with all labels 56.91.
"""

_base_ = "./pointfpn_effnetlite0_1xb2-400_dubai-256x256.py"
train_dataloader = dict(dataset=dict(labels=dict(num_points=20, per="class", complete=True)))
