"""What every run shares: scope, seed, logs, hooks."""

default_scope = "mmseg"
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),
)
randomness = dict(seed=0)
vis_backends = [dict(type="LocalVisBackend")]
visualizer = dict(type="SegLocalVisualizer", vis_backends=vis_backends, name="visualizer")
log_processor = dict(by_epoch=False)
log_level = "INFO"
load_from = None
resume = False
tta_model = dict(type="mmseg_ext.SegTTAModel")

custom_hooks = [
    dict(type="mmseg_ext.DataCheckHook"),
    dict(type="mmseg_ext.TrainPicturesHook"),
    dict(type="mmseg_ext.ValidationPicturesHook"),
    dict(type="mmseg_ext.PointPicturesHook"),
    dict(type="mmseg_ext.BinaryThresholdHook"),
    dict(type="mmseg_ext.ConsoleHook"),
]
