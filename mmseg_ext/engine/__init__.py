"""Hooks, and what runs a config."""

from mmseg_ext.engine.hooks import ConsoleHook, DataCheckHook, TrainPicturesHook, ValidationPicturesHook
from mmseg_ext.engine.layer_decay_optim_wrapper_constructor import LayerDecayOptimWrapperConstructor

__all__ = [
    "ConsoleHook",
    "DataCheckHook",
    "LayerDecayOptimWrapperConstructor",
    "TrainPicturesHook",
    "ValidationPicturesHook",
]
