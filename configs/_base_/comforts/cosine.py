"""The learning rate follows half a cosine from the optimizer's own down to zero.

A leaf names this file in ``_base_`` and writes, with N the length of the warm-up or 0:

param_scheduler = [dict(_base_.cosine, begin=N, end=_base_.train_cfg.max_iters)]
"""

cosine = dict(type="CosineAnnealingLR", eta_min=0.0, begin=0, by_epoch=False)
