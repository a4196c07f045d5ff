"""Hooks, and what runs a config."""

from mmseg_ext.engine.hooks import ConsoleHook, DataCheckHook, TrainPicturesHook, ValidationPicturesHook

__all__ = ["ConsoleHook", "DataCheckHook", "TrainPicturesHook", "ValidationPicturesHook"]
