"""Dubai, a pretrained EfficientNet-Lite0 under a Semantic FPN, 20 labelled points a class and image.

python tools/cross_validate.py configs/fpn/pointfpn_effnetlite0_1xb2-400_dubai-256x256-20ppc.py
"""

_base_ = "./pointfpn_effnetlite0_1xb2-400_dubai-256x256.py"
train_dataloader = dict(dataset=dict(labels=dict(num_points=20, per="class")))
