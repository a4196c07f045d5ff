"""Checkpoints are loaded as data, never as code."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pickle import UnpicklingError
from typing import Any

from mmseg_ext.errors import UserError
from mmseg_ext.stack.replacement import one_line


def _history_buffer_method(owner: Any, name: str) -> Callable:
    """Stand in for ``getattr``, by which a checkpoint names the statistics of its `HistoryBuffer`s; for that alone."""
    from mmengine.logging import HistoryBuffer

    if owner is not HistoryBuffer or name not in ("min", "max", "mean", "current"):
        raise UnpicklingError("GLOBAL builtins.getattr was not an allowed global by default.")
    return getattr(HistoryBuffer, name)


def _checkpoint_globals() -> list[Any]:
    """List what mmengine's own checkpoints hold besides tensors: logged values, as arrays and numbers of numpy."""
    import numpy as np
    from mmengine.logging import HistoryBuffer

    reconstruct: Any = np.array(0).__reduce__()[0]
    scalar: Any = np.float64(0).__reduce__()[0]
    type_codes = "?" + np.typecodes["AllInteger"] + np.typecodes["Float"]
    return [
        HistoryBuffer,
        (_history_buffer_method, "builtins.getattr"),
        np.ndarray,
        np.dtype,
        *{type(np.dtype(code)) for code in type_codes},
        # numpy 2 renamed the module; checkpoints of either age are read by either numpy.
        *((reconstruct, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
        *((scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    ]


@contextmanager
def explained_refusal(file: Any) -> Iterator[None]:
    """Turn what torch raises about an unsafe or a damaged file into one clear line."""
    path = file if isinstance(file, str | os.PathLike) else getattr(file, "name", "a checkpoint")
    try:
        yield
    except (UnpicklingError, EOFError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not re.search("PytorchStreamReader|TorchScript archives", str(error)):
            raise
        patterns = (r"GLOBAL (\S+) (?:was not|whose)", r"unrecognized function (\S.*)", r"got <class '([^']+)'>")
        found = next((match[1] for pattern in patterns if (match := re.search(pattern, str(error)))), None)
        if found is None:
            reason = one_line(str(error).split("WeightsUnpickler error: ")[-1])
            what = f"Expected weights in {path}, got something else or a damaged file ({reason}). Fetch it again."
        else:
            what = f"Refused to load {path}: besides weights it holds `{found}`, by which a file can run its own code."
        raise UserError(f"{what} Only if you trust its author, load it with --trust-checkpoint") from None


def safe_checkpoints(trust: bool = False) -> None:
    """Load checkpoints as data, never as code, in this process and in those it starts.

    What mmengine's own checkpoints hold is allowed by name. Anything else is refused with a `UserError` that names the
    file and what it holds; nothing falls back to ``weights_only=False``.

    Args:
        trust: Load everything, code included.
    """
    import torch
    from mmengine.runner import checkpoint

    if trust:
        os.environ.pop("TORCH_FORCE_WEIGHTS_ONLY_LOAD", None)
    else:
        os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)
        os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
        torch.serialization.add_safe_globals(_checkpoint_globals())

    def load(file: Any, map_location: Any = None, weights_only: bool | None = None) -> Any:
        with explained_refusal(file):
            return torch.load(file, map_location=map_location, weights_only=not trust)

    vars(checkpoint)["_safe_torch_load"] = load
