r"""Dubai at two thirds of its size, cross-entropy weighted by the median frequency of all images.

python tools/dataset_stats.py configs/fpn/pointfpn_r18w32_1xb8-1500_dubai-128x128.py \
    --cfg-options train_dataloader.dataset.split=all --out work_dirs/dubai_statistics.json
python tools/cross_validate.py configs/fpn/pointfpn_r18w32_1xb8-1500_dubai-128x128-weighted.py

One file serves all folds: the weights look at how frequent the classes are in the validated images too, at nothing else
of them.
"""

_base_ = "./pointfpn_r18w32_1xb8-1500_dubai-128x128.py"
model = dict(
    decode_head=dict(loss_decode=dict(class_weight="work_dirs/dubai_statistics.json:median_frequency")),
)
