"""Label-efficient semantic segmentation for MMSegmentation."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "load_model"]


def __getattr__(name: str) -> Any:
    """Import `load_model` where it is asked for: importing the package alone costs nothing."""
    if name == "load_model":
        return import_module("mmseg_ext.prediction.loading").load_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
