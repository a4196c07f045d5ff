"""Four batches for each step of the optimizer: the memory of one batch, the gradient of four.

A leaf names this file in ``_base_`` and writes:

optim_wrapper = _base_.gradient_accumulation

max_iters counts batches: four times as many for as many steps.
"""

gradient_accumulation = dict(accumulative_counts=4)
