"""Mixed precision on a GPU: float16 where it is safe, with a loss scale that adapts itself.

A leaf names this file in ``_base_`` and writes:

optim_wrapper = _base_.amp

On a machine without a GPU: --cfg-options optim_wrapper.type=OptimWrapper
"""

amp = dict(type="AmpOptimWrapper")
