r"""Dubai, a pretrained EfficientNet-Lite0 under a Semantic FPN, 20 weighed points a class and image.

python tools/estimate_areas.py configs/fpn/pointfpn_effnetlite0_1xb2-400_dubai-256x256-20ppc-weighed.py \
    --cfg-options train_dataloader.dataset.split=all --out work_dirs/dubai_areas.json
python tools/cross_validate.py configs/fpn/pointfpn_effnetlite0_1xb2-400_dubai-256x256-20ppc-weighed.py
"""

_base_ = "./pointfpn_effnetlite0_1xb2-400_dubai-256x256.py"
train_dataloader = dict(dataset=dict(labels=dict(num_points=20, per="class", areas="work_dirs/dubai_areas.json")))
