"""MLflow: scalars, the config and validation pictures, in a file that needs no server.

python -m pip install mlflow. A leaf names this file in ``_base_`` and writes:

vis_backends = [*_base_.vis_backends, _base_.mlflow]
visualizer = dict(vis_backends=vis_backends)

To a server: tracking_uri='http://…'.
"""

mlflow = dict(
    type="mmseg_ext.MLflowVisBackend", exp_name="mmseg_ext", tracked_config_keys=["optim_wrapper", "train_cfg"]
)
