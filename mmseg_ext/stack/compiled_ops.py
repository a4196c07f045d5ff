"""mmcv without its compiled ops: what needs none works, what needs one says so."""

import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from mmseg_ext.stack.replacement import one_line


class MissingOpError(RuntimeError):
    """An op of mmcv was called that is not compiled."""


class _OpsStandIn(ModuleType):
    """Stands in for ``mmcv._ext``: every op is there, and raises when it is called."""

    def __init__(self, reason: str) -> None:
        super().__init__("mmcv._ext", "Stands in for mmcv's compiled ops, which are not installed.")
        self.__spec__ = ModuleSpec("mmcv._ext", loader=None, origin=__name__)
        self._reason = reason
        # Reports of the environment call these two, which are not ops.
        self.get_compiler_version = self.get_compiling_cuda_version = lambda: "n/a"

    def __getattr__(self, name: str) -> Callable:
        if name.startswith("_"):
            raise AttributeError(f"module 'mmcv._ext' has no attribute {name!r}")

        def missing_op(*args: Any, **kwargs: Any) -> None:
            hint = (
                "On a CUDA tensor use mmseg_ext.MultiScaleDeformableAttention (Mask2Former: "
                "type='mmseg_ext.Mask2FormerHead' for the head), which needs no compiled op."
                if name.startswith("ms_deform_attn")
                else "Install an mmcv that was built with its ops for this torch and this GPU."
            )
            raise MissingOpError(f"mmcv's op `{name}` needs compiled ops; none are installed ({self._reason}). {hint}")

        missing_op.__name__ = name
        return missing_op


def install_ops_stand_in() -> bool:
    """Put a stand-in for ``mmcv._ext`` in place when mmcv has no compiled ops that load.

    ``mmdet.models`` and so Mask2Former then import, and train on CPU, where mmcv computes deformable attention in
    PyTorch. An op without such an alternative raises `MissingOpError` when it is called, and only then.

    Returns:
        Whether a stand-in is in place; False if mmcv has its real ops.
    """
    mmcv = import_module("mmcv")
    try:
        return isinstance(import_module("mmcv._ext"), _OpsStandIn)
    except ModuleNotFoundError as error:
        if error.name != "mmcv._ext":
            raise
        reason = "mmcv was installed without them"
    except (ImportError, OSError) as error:
        reason = f"mmcv._ext is there but does not load: {one_line(error)}"
        warnings.warn(f"Going on without mmcv's compiled ops: {reason}", stacklevel=2)
    stand_in = _OpsStandIn(reason)
    sys.modules["mmcv._ext"] = stand_in
    vars(mmcv)["_ext"] = stand_in
    return True
