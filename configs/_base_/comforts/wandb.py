"""Weights & Biases: scalars and validation pictures, written to files that need no network.

python -m pip install wandb. A leaf names this file in ``_base_`` and writes:

vis_backends = [*_base_.vis_backends, _base_.wandb]
visualizer = dict(vis_backends=vis_backends)

Send a finished run with: wandb sync work_dirs/NAME/*/vis_data/wandb/offline-run-*
Live, once you are logged in: mode='online'.
"""

wandb = dict(type="mmseg_ext.WandbVisBackend", init_kwargs=dict(project="mmseg_ext", mode="offline"))
