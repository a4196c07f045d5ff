"""Dubai at 1/2 of its resolution, all labels: differs from the config at full resolution in the data alone.

python tools/downsample.py data/dubai --factor 2
python tools/cross_validate.py configs/fpn/pointfpn_r18w32_1xb8-1500_dubaids2-128x128.py

The images are brought to the same shorter side of 512 pixels and cropped at 128 × 128, as at full resolution: the
network sees as much ground, in as many pixels, for as many iterations. What the score loses is what the images lost.
The predictions are scored on the copy's labels (mIoU) and on the original ones (original/mIoU).

Measured: mIoU 54.55, original/mIoU 54.55, the confusion matrices of the three folds added up, last iteration, seed 0,
with OMP_NUM_THREADS=1 (2026-11-21, AMD EPYC, torch 2.15.0, mmseg 1.4.2). Full resolution: 55.49.
"""

_base_ = "./pointfpn_r18w32_1xb8-1500_dubai-128x128.py"
data_root = "data/dubai_ds_2"
factor = 2
train_dataloader = dict(dataset=dict(data_root=data_root, factor=factor))
val_dataloader = dict(dataset=dict(data_root=data_root, factor=factor))
test_dataloader = dict(dataset=dict(data_root=data_root, factor=factor))
