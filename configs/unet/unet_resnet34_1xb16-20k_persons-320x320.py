"""Persons: U-Net on ResNet-34, one channel with a sigmoid.

python tools/train.py configs/unet/unet_resnet34_1xb16-20k_persons-320x320.py

Follows a person U-Net that cut its sigmoid at a fixed threshold and whose Kaggle file was wrong for batch sizes above
one. Here the threshold is chosen on the validation images, kept in the checkpoint and used by the test; the file is
written by `RLESubmission`, one row an image whatever the batch size, and read back.
"""

_base_ = [
    "../_base_/models/unet_resnet34_binary.py",
    "../_base_/datasets/persons.py",
    "../_base_/schedules/adamw_20k.py",
    "../_base_/default_runtime.py",
]
model = dict(data_preprocessor=dict(size=(320, 320)))
default_hooks = dict(checkpoint=dict(save_best="binary/IoU", rule="greater"))
test_evaluator = [*_base_.val_evaluator, dict(type="mmseg_ext.RLESubmission")]
