r"""Dubai at two thirds of its size, images of rare classes shown more often.

python tools/dataset_stats.py configs/fpn/pointfpn_r18w32_1xb8-1500_dubai-128x128.py \
    --cfg-options train_dataloader.dataset.split=all --out work_dirs/dubai_statistics.json
python tools/cross_validate.py configs/fpn/pointfpn_r18w32_1xb8-1500_dubai-128x128-rareclass.py

One file serves all folds: the sampler counts the training images alone. At DAFormer's temperature of 0.01 86 % of the
draws would be for roads (all 54 images); 0.1 draws roads 38 %, vegetation 32 % and buildings 25 %.

Measured: mIoU 56.28 (building 54.7, land 66.6, road 25.9, vegetation 52.0, water 82.3), without the sampler 55.49;
matrices of the three folds added up, last iteration, seed 0, with OMP_NUM_THREADS=1 (2026-11-21, AMD EPYC, torch
2.15.0, mmseg 1.4.2).
"""

_base_ = "./pointfpn_r18w32_1xb8-1500_dubai-128x128.py"
train_dataloader = dict(
    sampler=dict(
        _delete_=True,
        type="mmseg_ext.RareClassSampler",
        statistics="work_dirs/dubai_statistics.json",
        temperature=0.1,
    )
)
