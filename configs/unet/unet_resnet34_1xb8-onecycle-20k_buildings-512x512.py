"""Buildings: U-Net on ResNet-34, BCE and F1, mixed precision, AdamW, one cycle of the learning rate.

python tools/train.py configs/unet/unet_resnet34_1xb8-onecycle-20k_buildings-512x512.py

Without a GPU: --cfg-options optim_wrapper.type=OptimWrapper

Follows a building U-Net of the same parts. Quoted, not measured here: its author had a validation IoU of 0.7833 and
0.26 on the leaderboard, because of the step from masks to polygons. Here `PolygonSubmission` keeps holes, reads its
file back and scores the polygons against the masks, so that such a loss shows before the file is handed in. Losses
leave out ignored pixels, the threshold is chosen on the validation images, and the checkpoint with the best IoU of
buildings at its threshold is kept.
"""

_base_ = [
    "../_base_/models/unet_resnet34_binary.py",
    "../_base_/datasets/buildings.py",
    "../_base_/schedules/adamw_20k.py",
    "../_base_/comforts/amp.py",
    "../_base_/comforts/best_checkpoint.py",
    "../_base_/comforts/one_cycle.py",
    "../_base_/default_runtime.py",
]
model = dict(data_preprocessor=dict(size=_base_.crop_size))
optim_wrapper = _base_.amp
param_scheduler = [dict(_base_.one_cycle, eta_max=1e-3, total_steps=_base_.train_cfg.max_iters)]
default_hooks = dict(checkpoint=dict(_base_.best_checkpoint, save_best=["binary/IoU"]))
test_evaluator = [*_base_.val_evaluator, dict(type="mmseg_ext.PolygonSubmission")]
