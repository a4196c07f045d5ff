"""One cycle of the learning rate: up from 1/25 to the peak in 30 % of the run, then down to nearly nothing.

Smith and Topin, Super-Convergence, 2018. A leaf names this file in ``_base_`` and writes, after its schedule:

param_scheduler = [dict(_base_.one_cycle, eta_max=1e-3, total_steps=_base_.train_cfg.max_iters)]

`eta_max` is the peak; the optimizer's own rate is not used. It is mmengine's OneCycleLR, whose checkpoints hold a class
and would be refused.
"""

one_cycle = dict(type="mmseg_ext.OneCycleLR", eta_max=1e-3, pct_start=0.3, div_factor=25.0, by_epoch=False)
