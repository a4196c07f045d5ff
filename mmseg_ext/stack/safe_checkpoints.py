"""Checkpoints are loaded as data, never as code."""

import os
import re
import zipfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pickle import UnpicklingError
from typing import Any, BinaryIO

from mmseg_ext.errors import UserError
from mmseg_ext.stack.replacement import is_ours, one_line, replace_everywhere

# What torch raises about damage that the check does not look for, since it is in the tensor data.
DAMAGE = re.compile(
    "PytorchStreamReader|storage has wrong byte size|restore data location|Unknown endianness type|no attribute 'dtype'"
)

OLD_TAR = "a tar archive, as torch before 0.1.10 saved, or damaged: load it with an old torch, and save it again"
_TAR_MAGIC_AT = 257

_is_trusted = False


def _history_buffer_method(owner: Any, name: str) -> Callable:
    """Stand in for ``getattr``, by which a checkpoint names the statistics of its `HistoryBuffer`s; for that alone."""
    from mmengine.logging import HistoryBuffer

    from mmseg_ext.stack.pickle_stand_ins import STATISTICS, ForbiddenGlobalError

    if owner is not HistoryBuffer or name not in STATISTICS:
        raise ForbiddenGlobalError("builtins.getattr")
    return getattr(HistoryBuffer, name)


def _checkpoint_globals() -> list[Any]:
    """List what torch may load besides tensors; `check_checkpoint` has checked the arguments."""
    import numpy as np
    from mmengine.logging import HistoryBuffer

    reconstruct: Any = np.array(0).__reduce__()[0]
    scalar: Any = np.float64(0).__reduce__()[0]
    type_codes = "?" + np.typecodes["AllInteger"] + np.typecodes["Float"] + np.typecodes["Complex"]
    return [
        HistoryBuffer,
        Namespace,
        (bytes, "builtins.bytes"),
        (_history_buffer_method, "builtins.getattr"),
        np.ndarray,
        np.dtype,
        *{type(np.dtype(code)) for code in type_codes},
        # NumPy 2 renamed the module; either NumPy reads checkpoints of both.
        *((reconstruct, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
        *((scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    ]


@contextmanager
def _explained_refusal(file: Any) -> Iterator[None]:
    """Turn what is raised about a file that is unsafe or damaged into one line."""
    from safetensors import SafetensorError

    from mmseg_ext.stack.pickle_stand_ins import ForbiddenGlobalError

    path = file if isinstance(file, str | os.PathLike) else getattr(file, "name", "a checkpoint")
    try:
        yield
    except ForbiddenGlobalError as error:
        what = f"Refused to load {path}: besides weights it holds `{error}`, by which a file can run its own code."
    except (UnpicklingError, EOFError, SafetensorError, RuntimeError, ValueError, AttributeError) as error:
        kinds = UnpicklingError | EOFError | SafetensorError | UnicodeDecodeError
        if not isinstance(error, kinds) and not DAMAGE.search(str(error)):
            raise
        reason = one_line(str(error).split("WeightsUnpickler error: ")[-1])
        what = f"Expected weights in {path}, got something else or a damaged file ({reason}). Fetch it again."
    else:
        return
    raise UserError(f"{what} Only if you trust its author, load it with --trust-checkpoint") from None


def is_tar(file: BinaryIO) -> bool:
    """Whether a file is a tar archive, in which torch saved before its version 0.1.10; the position is restored."""
    start = file.tell()
    file.seek(_TAR_MAGIC_AT)
    magic = file.read(5)
    file.seek(start)
    return magic == b"ustar"


@contextmanager
def _explained_tar(file: Any) -> Iterator[None]:
    """Turn what torch raises about a tar archive that it cannot read into one line."""
    try:
        yield
    except Exception as error:
        path = os.fspath(file) if isinstance(file, str | os.PathLike) else None
        if path is None or not os.path.isfile(path):
            raise
        with open(path, "rb") as opened:
            if not is_tar(opened):
                raise
        raise UserError(f"Expected weights in {path}, got {OLD_TAR}.") from error


def _check(file: Any) -> None:
    """Check a file before torch reads it.

    Raises:
        UnpicklingError: The file is unsafe or damaged.
        OSError: It cannot be opened.
    """
    from mmseg_ext.stack.checkpoint_check import check_checkpoint

    if isinstance(file, str | os.PathLike):
        if not os.fspath(file).endswith(".safetensors"):
            with open(file, "rb") as opened:
                _check(opened)
        return
    if is_tar(file):
        raise UnpicklingError(OLD_TAR)
    try:
        check_checkpoint(file)
    except UnpicklingError:
        raise
    except Exception as error:
        raise UnpicklingError(f"{type(error).__name__}: {error}") from error


def is_trusted() -> bool:
    """Whether checkpoints may run the code that they hold."""
    return _is_trusted


def read_checkpoint_meta(path: str | os.PathLike) -> dict[str, Any]:
    """Read what mmengine writes about a run into its checkpoints, such as the config and the seed.

    Args:
        path: A file, whose tensors are not read, or an address.

    Returns:
        Empty where the checkpoint holds none.

    Raises:
        UserError: The file is damaged, or holds more than weights.
    """
    import torch
    from mmengine.runner import CheckpointLoader

    if os.path.isfile(path):
        is_zip = zipfile.is_zipfile(path)  # files in torch's older format cannot be mapped
        content = torch.load(path, map_location="cpu", weights_only=not _is_trusted, mmap=is_zip)
    else:
        content = CheckpointLoader.load_checkpoint(str(path), map_location="cpu")
    meta = content.get("meta") if isinstance(content, dict) else None
    return meta if isinstance(meta, dict) else {}


def safe_checkpoints(trust: bool = False) -> None:
    """Load checkpoints as data, never as code, in this process and in those it starts.

    Every file that goes through torch.load is checked first. What mmengine's own checkpoints hold is allowed. Anything
    else is refused with a `UserError` that names the file and what it holds; nothing falls back to
    ``weights_only=False``. Processes that this one starts have torch's own check alone.

    Args:
        trust: Load everything, code included. The last call decides.
    """
    import torch
    from mmengine.runner import checkpoint

    global _is_trusted
    _is_trusted = trust
    if trust:
        os.environ.pop("TORCH_FORCE_WEIGHTS_ONLY_LOAD", None)
    else:
        os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)
        os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    stock = torch.load
    if is_ours(stock):
        return

    def load(f: Any, *args: Any, **kwargs: Any) -> Any:
        if _is_trusted:
            with _explained_tar(f):
                return stock(f, *args, **kwargs)
        known = torch.serialization.get_safe_globals()
        more = [entry for entry in _checkpoint_globals() if entry not in known]
        with _explained_refusal(f), torch.serialization.safe_globals(more):
            _check(f)
            return stock(f, *args, **kwargs)

    def load_for_mmengine(file: Any, map_location: Any = None, weights_only: bool | None = None) -> Any:
        return torch.load(file, map_location=map_location, weights_only=not _is_trusted)

    replace_everywhere("load", stock, load)
    vars(checkpoint)["_safe_torch_load"] = load_for_mmengine
