"""A tenth of the learning rate whenever the score has not risen for three evaluations.

A leaf names this file in ``_base_`` and writes:

param_scheduler = [_base_.reduce_on_plateau]

`patience` counts evaluations, in IterBasedTrainLoop too: the scheduler is asked after each one, which is what
by_epoch=True means to it. Any scalar of the evaluation can be `monitor`; one that should fall takes rule='less'.
"""

reduce_on_plateau = dict(
    type="ReduceOnPlateauLR", monitor="mIoU", rule="greater", factor=0.1, patience=3, min_value=1e-6, by_epoch=True
)
