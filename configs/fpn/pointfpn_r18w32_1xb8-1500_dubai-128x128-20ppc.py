"""Dubai at two thirds of its size, 20 labelled points a class and image.

python tools/cross_validate.py configs/fpn/pointfpn_r18w32_1xb8-1500_dubai-128x128-20ppc.py

Measured: mIoU 47.59 (building 44.5, land 54.1, road 26.1, vegetation 38.0, water 75.3), 85.8 % of that with all labels;
the confusion matrices of the three folds added up, last iteration, seed 0, with OMP_NUM_THREADS=1 and the points read
from files (2026-11-21, AMD EPYC, torch 2.15.0, mmseg 1.4.2).
"""

_base_ = "./pointfpn_r18w32_1xb8-1500_dubai-128x128.py"
train_dataloader = dict(dataset=dict(labels=dict(num_points=20, per="class")))
