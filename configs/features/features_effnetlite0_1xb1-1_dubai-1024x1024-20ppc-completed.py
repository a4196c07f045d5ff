"""Dubai, light heads on a frozen EfficientNet-Lite0, taught by 20 points a class and image that are completed first.

python tools/fit.py configs/features/features_effnetlite0_1xb1-1_dubai-1024x1024-20ppc-completed.py
"""

_base_ = "./features_effnetlite0_1xb1-1_dubai-1024x1024.py"
train_dataloader = dict(dataset=dict(labels=dict(num_points=20, per="class", complete=dict(weigh=True))))
"""Each label counts as much as it is probable."""
