"""The learning rate rises in a straight line from a hundredth to its own in the first iterations.

A leaf names this file in ``_base_`` and writes it before another scheduler, which begins where it ends:

param_scheduler = [_base_.warm_up, dict(_base_.cosine, begin=100, end=_base_.train_cfg.max_iters)]
"""

warm_up = dict(type="LinearLR", start_factor=0.01, begin=0, end=100, by_epoch=False)
