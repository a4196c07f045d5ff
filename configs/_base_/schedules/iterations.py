"""What every schedule shares: AdamW, training and evaluation counted in iterations, and mmengine's hooks.

mmengine refuses a key that two files of one ``_base_`` list set, so the hooks stand here, below the schedules, which
say how often a checkpoint is written, and not in default_runtime.py.
"""

optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="AdamW", betas=(0.9, 0.999)))
train_cfg = dict(type="IterBasedTrainLoop")
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, max_keep_ckpts=1, save_best="mIoU"),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    visualization=dict(type="SegVisualizationHook"),
)
