r"""Dubai, a pretrained EfficientNet-Lite0 under a Semantic FPN, 20 points a class and image, weighed by their areas.

python tools/estimate_areas.py \
    configs/fpn/pointfpn_effnetlite0_1xb2-400_dubai-256x256-20ppc-weighed.py --out work_dirs/dubai_areas.json
python tools/train.py configs/fpn/pointfpn_effnetlite0_1xb2-400_dubai-256x256-20ppc-weighed.py

Measured: mIoU 48.88 (building 44.6, land 62.7, road 31.5, vegetation 27.0, water 78.7) on fold 0 alone, last iteration,
seed 0, with OMP_NUM_THREADS=1, areas estimated from its training images (2026-11-26, AMD EPYC, torch 2.15.0, mmseg
1.4.2, timm 1.0.31); without weights 44.08.
"""

_base_ = "./pointfpn_effnetlite0_1xb2-400_dubai-256x256.py"
train_dataloader = dict(dataset=dict(labels=dict(num_points=20, per="class", areas="work_dirs/dubai_areas.json")))
