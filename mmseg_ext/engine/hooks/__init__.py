"""What happens around a run: checks, the screen, pictures."""

from mmseg_ext.engine.hooks.binary_threshold_hook import BinaryThresholdHook
from mmseg_ext.engine.hooks.channels_last_hook import ChannelsLastHook
from mmseg_ext.engine.hooks.console_hook import ConsoleHook
from mmseg_ext.engine.hooks.data_check_hook import DataCheckHook
from mmseg_ext.engine.hooks.mask_annealing_hook import MaskAnnealingHook
from mmseg_ext.engine.hooks.point_pictures_hook import PointPicturesHook
from mmseg_ext.engine.hooks.random_state_hook import RandomStateHook
from mmseg_ext.engine.hooks.train_pictures_hook import TrainPicturesHook
from mmseg_ext.engine.hooks.validation_pictures_hook import ValidationPicturesHook

__all__ = [
    "BinaryThresholdHook",
    "ChannelsLastHook",
    "ConsoleHook",
    "DataCheckHook",
    "MaskAnnealingHook",
    "PointPicturesHook",
    "RandomStateHook",
    "TrainPicturesHook",
    "ValidationPicturesHook",
]
