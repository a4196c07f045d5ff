"""Dubai at two thirds of its size, images of rare classes shown more often.

python tools/dataset_stats.py configs/fpn/pointfpn_r18w32_1xb8-1500_dubai-128x128.py \
    --cfg-options train_dataloader.dataset.split=all --out work_dirs/dubai_statistics.json
python tools/cross_validate.py configs/fpn/pointfpn_r18w32_1xb8-1500_dubai-128x128-rareclass.py

One file serves all folds: the sampler counts the training images alone.
"""

_base_ = "./pointfpn_r18w32_1xb8-1500_dubai-128x128.py"
train_dataloader = dict(
    sampler=dict(_delete_=True, type="mmseg_ext.RareClassSampler", statistics="work_dirs/dubai_statistics.json")
)
