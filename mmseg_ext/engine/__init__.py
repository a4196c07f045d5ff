"""Hooks, and what runs a config."""

from mmseg_ext.engine.fit_loop import FitLoop
from mmseg_ext.engine.hooks import (
    BinaryThresholdHook,
    ChannelsLastHook,
    ConsoleHook,
    DataCheckHook,
    PointPicturesHook,
    RandomStateHook,
    TrainPicturesHook,
    ValidationPicturesHook,
)
from mmseg_ext.engine.layer_decay_optim_wrapper_constructor import LayerDecayOptimWrapperConstructor
from mmseg_ext.engine.one_cycle_lr import OneCycleLR
from mmseg_ext.engine.samplers import RareClassSampler
from mmseg_ext.engine.vis_backends import MLflowVisBackend, WandbVisBackend

__all__ = [
    "BinaryThresholdHook",
    "ChannelsLastHook",
    "ConsoleHook",
    "DataCheckHook",
    "FitLoop",
    "LayerDecayOptimWrapperConstructor",
    "MLflowVisBackend",
    "OneCycleLR",
    "PointPicturesHook",
    "RandomStateHook",
    "RareClassSampler",
    "TrainPicturesHook",
    "ValidationPicturesHook",
    "WandbVisBackend",
]
