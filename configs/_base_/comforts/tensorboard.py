"""TensorBoard: scalars and validation pictures.

A leaf names this file in ``_base_`` and writes:

vis_backends = [*_base_.vis_backends, _base_.tensorboard]
visualizer = dict(vis_backends=vis_backends)

Look at them with: tensorboard --logdir work_dirs
"""

tensorboard = dict(type="TensorboardVisBackend")
