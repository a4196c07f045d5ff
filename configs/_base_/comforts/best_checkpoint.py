"""The checkpoints with the best mIoU and the best IoU of one class are kept, beside the last one.

A leaf names this file in ``_base_`` and writes, with the class of its own:

default_hooks = dict(checkpoint=dict(_base_.best_checkpoint, save_best=["mIoU", "IoU.building"]))

Any scalar of the evaluation can be named; greater is better unless `rule` says 'less'.
"""

best_checkpoint = dict(save_best=["mIoU"], rule="greater", max_keep_ckpts=1)
