"""x"""

_base_ = "./features_effnetlite0_1xb1-1_dubai-1024x1024.py"
train_dataloader = dict(dataset=dict(labels=dict(num_points=100, per="class")))
