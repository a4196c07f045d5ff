"""One fit to all training images at once, then a validation: for a FeatureSegmentor."""

_base_ = "./iterations.py"
optim_wrapper = dict(optimizer=dict(lr=0.0))  # mmengine wants an optimizer; it has nothing to train
param_scheduler = []
train_cfg = dict(type="mmseg_ext.FitLoop", max_iters=1, val_interval=1)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=1))
