"""The run ends when the score has not risen by 0.1 points for five evaluations.

A leaf names this file in ``_base_`` and writes:

custom_hooks = [*_base_.custom_hooks, _base_.early_stopping]
"""

early_stopping = dict(type="EarlyStoppingHook", monitor="mIoU", rule="greater", min_delta=0.1, patience=5)
