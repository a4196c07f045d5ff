"""Samplers: which image comes next."""

from mmseg_ext.engine.samplers.rare_class_sampler import RareClassSampler

__all__ = ["RareClassSampler"]
