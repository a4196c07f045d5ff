"""Makes the installed OpenMMLab stack safe to stand on.

The stock packages import only with compiled ops, install packages by themselves, run code that lies in a checkpoint,
answer a missing network with a screenful of traceback, and chat. `prepare` mends this for the running process; every
command calls it first. Importing this module changes nothing and loads nothing heavy.
"""

import atexit
import http.client
import logging
import os
import re
import site
import socket
import sys
import sysconfig
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from types import FrameType, ModuleType
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from mmseg_ext.errors import UserError

OPENMMLAB = frozenset({"mmengine", "mmcv", "mmseg", "mmdet"})
DOWNLOAD_ERRORS = (OSError, http.client.HTTPException)
REACH_TIMEOUT = 3.0  # seconds, for each address of the host

_seen_warnings: set[str] = set()
_kept_warnings: list[str] = []


def prepare(trust_checkpoint: bool = False) -> None:
    """Make the stack safe; call it before mmseg or mmdet are imported. A second call does no harm.

    Args:
        trust_checkpoint: Let checkpoints run the code they hold. The last call decides.
    """
    quiet()
    install_ops_stand_in()
    forbid_pip_install()
    safe_checkpoints(trust=trust_checkpoint)
    explain_download_errors()
    explain_missing_weights()


def _is_ours(function: Any) -> bool:
    """Whether this module has already put its own function there."""
    return getattr(function, "__module__", None) == __name__


def _replace_everywhere(name: str, original: Any, replacement: Any) -> None:
    """Replace a function in every loaded module that holds it under its name."""
    for module in list(sys.modules.values()):
        if getattr(module, "__dict__", {}).get(name) is original:
            setattr(module, name, replacement)


class MissingOpError(RuntimeError):
    """An op of mmcv was called that is not compiled."""


class _OpsStandIn(ModuleType):
    """Stands in for ``mmcv._ext``: every op is there, and raises when it is called."""

    def __init__(self, reason: str) -> None:
        super().__init__("mmcv._ext", "Stands in for mmcv's compiled ops, which are not installed.")
        self.__spec__ = ModuleSpec("mmcv._ext", loader=None, origin="mmseg_ext.stack")
        self._reason = reason
        # Environment reports ask for these two, which are no ops.
        self.get_compiler_version = self.get_compiling_cuda_version = lambda: "n/a"

    def __getattr__(self, name: str) -> Callable:
        if name.startswith("_"):
            raise AttributeError(f"module 'mmcv._ext' has no attribute {name!r}")

        def missing_op(*args: Any, **kwargs: Any) -> None:
            mend = (
                "On a CUDA tensor use mmseg_ext.MultiScaleDeformableAttention (Mask2Former: "
                "type='mmseg_ext.Mask2FormerHead' for the head), which needs no compiled op."
                if name.startswith("ms_deform_attn")
                else "Install an mmcv that was built with its ops for this torch and this GPU."
            )
            raise MissingOpError(f"mmcv's op `{name}` needs compiled ops; none are installed ({self._reason}). {mend}")

        missing_op.__name__ = name
        return missing_op


def install_ops_stand_in() -> bool:
    """Put a stand-in for ``mmcv._ext`` in place when mmcv has no compiled ops that load.

    ``mmdet.models`` and so Mask2Former then import, and train on CPU, where mmcv computes deformable attention in
    PyTorch. An op that has no such second way raises `MissingOpError` when it is called, and only then.

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
        reason = f"mmcv._ext is there but does not load: {_one_line(error)}"
        warnings.warn(f"Going on without mmcv's compiled ops: {reason}", stacklevel=2)
    stand_in = _OpsStandIn(reason)
    sys.modules["mmcv._ext"] = stand_in
    vars(mmcv)["_ext"] = stand_in
    return True


def _require_installed(package: str) -> bool:
    """Stand in for mmengine's `install_package` and `is_installed`: a package that is missing is an error."""
    from mmengine.config.utils import MODULE2PACKAGE
    from mmengine.utils.package_utils import is_installed

    if is_installed(package):
        return True
    module = next((name for name, distribution in MODULE2PACKAGE.items() if distribution == package), package)
    spec = find_spec(module)
    if spec is not None and spec.origin is not None:
        configs = Path(spec.origin).parent / ".mim" / "configs"
        mend = (
            f"{module} itself is installed, by another distribution, and `pip install {package}` would overwrite it. "
            f"Instead of '{module}::NAME' write the file: '{configs}/NAME'"
        )
    else:
        mend = f"If you want it, type: python -m pip install {package}"
    raise UserError(f"Expected the distribution '{package}', which is not installed. {mend}")


def forbid_pip_install() -> None:
    """Let ``mmengine.hub`` and ``_base_ = 'mmseg::…'`` never run pip; a `UserError` says what is missing instead."""
    install_package = import_module("mmengine.utils.package_utils").install_package
    if not _is_ours(install_package):
        _replace_everywhere("install_package", install_package, _require_installed)
    vars(import_module("mmengine.config.config"))["is_installed"] = _require_installed


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
def _explained_refusal(file: Any) -> Iterator[None]:
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
            reason = _one_line(str(error).split("WeightsUnpickler error: ")[-1])
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
        with _explained_refusal(file):
            return torch.load(file, map_location=map_location, weights_only=not trust)

    vars(checkpoint)["_safe_torch_load"] = load


def _one_line(text: object, limit: int = 200) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _is_url(text: str) -> bool:
    return text.startswith(("http://", "https://"))


def _cached_file(url: str) -> Path:
    """Where torch and mmengine keep, and look for, what they downloaded from a URL."""
    import torch

    return Path(torch.hub.get_dir(), "checkpoints", Path(urlsplit(url).path).name)


def download_error(url_or_name: str, error: BaseException) -> UserError:
    """Say in one line which weights could not be downloaded, and what to do.

    Args:
        url_or_name: A URL, or a model on the Hugging Face hub, for example 'timm/vit_small_patch16_224.dino'.
        error: What the download ended in.

    Returns:
        The error to raise.
    """
    without = "--cfg-options model.pretrained=None model.backbone.init_cfg=None"
    if _is_url(url_or_name):
        place = f"Put the file at {_cached_file(url_or_name)}"
    else:
        from huggingface_hub import constants

        folder = f"models--{url_or_name.replace('/', '--')}"
        place = f"Put the folder {folder} (elsewhere: hf download {url_or_name}) into {constants.HF_HUB_CACHE}"
        without += " (TIMMBackbone: model.backbone.pretrained=False)"
    return UserError(
        f"Could not download the weights {url_or_name} ({_one_line(error)}). {place}, or name a file of yours in the "
        f"config (`checkpoint=` of the backbone, `load_from=` for a whole model), or go without: {without}"
    )


@contextmanager
def explained_download(url_or_name: str) -> Iterator[None]:
    """Turn a failed download of weights inside the block into `download_error`.

    On a machine that cannot reach the Hugging Face hub, the hub's cache is used without the long retries.
    """
    from huggingface_hub import constants

    unreachable = None if _is_url(url_or_name) else _hub_unreachable()
    offline_before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = offline_before or unreachable is not None
    try:
        yield
    except DOWNLOAD_ERRORS as error:
        raise download_error(url_or_name, unreachable or error) from error
    finally:
        constants.HF_HUB_OFFLINE = offline_before


def _hub_unreachable() -> OSError | None:
    """Try to reach the hub, unless a proxy or a setting makes that meaningless."""
    from huggingface_hub import constants

    endpoint, proxies = urlsplit(constants.ENDPOINT), getproxies()
    if constants.HF_HUB_OFFLINE or endpoint.scheme in proxies or "all" in proxies:
        return None
    port = endpoint.port or (80 if endpoint.scheme == "http" else 443)
    try:
        socket.create_connection((endpoint.hostname or "", port), timeout=REACH_TIMEOUT).close()
    except OSError as error:
        return OSError(f"{endpoint.hostname} cannot be reached: {error}")
    return None


def _load_url(url: str, *args: Any, **kwargs: Any) -> Any:
    """Stand in for mmengine's `load_url`."""
    import torch

    with explained_download(url), _explained_refusal(_cached_file(url)):
        return torch.hub.load_state_dict_from_url(url, *args, **kwargs)


def explain_download_errors() -> None:
    """End a failed download of pretrained weights, by mmengine or by timm, in one line that says what to do.

    Other code wraps its own downloads in `explained_download`.
    """
    vars(import_module("mmengine.runner.checkpoint"))["load_url"] = _load_url
    stock = import_module("timm.models._builder").load_pretrained

    def load_pretrained(model: Any, pretrained_cfg: Any = None, *args: Any, **kwargs: Any) -> None:
        source = pretrained_cfg or getattr(model, "pretrained_cfg", None) or {}
        name = source.get("hf_hub_id") or source.get("url")
        if not name or source.get("file") or source.get("state_dict"):
            stock(model, pretrained_cfg, *args, **kwargs)
            return
        with explained_download(name):
            stock(model, pretrained_cfg, *args, **kwargs)

    if not _is_ours(stock):
        _replace_everywhere("load_pretrained", stock, load_pretrained)


def explain_missing_weights() -> None:
    """End a load of weights by mmengine from a path where no file is, in one line that says what to do."""
    from mmengine.runner.checkpoint import CheckpointLoader, load_from_local

    def load(filename: str, map_location: Any = None) -> Any:
        path = Path(filename).expanduser()
        if not path.is_file():
            raise UserError(
                f"Expected weights at {path}, found no file. Name another (`checkpoint=` of the backbone or of its "
                "`init_cfg`, `load_from=` for a whole model), or go without: --cfg-options model.backbone.init_cfg=None"
            )
        return load_from_local(filename, map_location)

    CheckpointLoader.register_scheme(prefixes="", loader=load, force=True)


@lru_cache(maxsize=1)
def _installed_roots() -> tuple[str, ...]:
    standard = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    return (*standard, *site.getsitepackages(), site.getusersitepackages(), "<frozen")


def _is_stock(frame: FrameType | None) -> bool:
    """Whether the code that raised a warning is installed software other than ours."""
    while frame is not None and frame.f_globals.get("__name__") in ("warnings", "_py_warnings"):
        frame = frame.f_back
    if frame is None:
        return False
    package = str(frame.f_globals.get("__name__")).partition(".")[0]
    return package != "mmseg_ext" and (package in OPENMMLAB or frame.f_code.co_filename.startswith(_installed_roots()))


def write_kept_warnings() -> None:
    """Write the stock warnings kept so far into the log file of mmengine's current logger, if there is one."""
    logger_class = getattr(sys.modules.get("mmengine.logging.logger"), "MMLogger", None)
    if not _kept_warnings or logger_class is None or not logger_class._instance_dict:
        return
    logger = logger_class.get_current_instance()
    files = [handler for handler in logger.handlers if isinstance(handler, logging.FileHandler)]
    if not files:
        return
    for text in _kept_warnings:
        record = logger.makeRecord(logger.name, logging.WARNING, __file__, 0, text, (), None)
        for handler in files:
            handler.handle(record)
    _kept_warnings.clear()


def _in_later_worker() -> bool:
    """Whether this is a data loading process other than the first, which speaks for all."""
    data = sys.modules.get("torch.utils.data")
    info = data.get_worker_info() if data is not None else None
    return info is not None and info.id > 0


def quiet() -> None:
    """Keep the stock packages' warnings off the screen; each goes once into the log file.

    Warnings of mmseg_ext and of code that is not installed software (a user's own) stay on the screen. Messages below
    INFO that have no logger are not printed.
    """
    show = warnings.showwarning

    def show_ours(message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None) -> None:
        if file is not None or not _is_stock(sys._getframe(1)):
            show(message, category, filename, lineno, file, line)
            return
        text = f"{category.__name__}: {message}"
        if text not in _seen_warnings and not _in_later_worker():
            _seen_warnings.add(text)
            _kept_warnings.append(f"{text} ({filename}:{lineno})")
            write_kept_warnings()

    if not _is_ours(show):
        warnings.showwarning = show_ours
        atexit.register(write_kept_warnings)
        os.register_at_fork(after_in_child=_kept_warnings.clear)  # they are the parent's to write

    print_log = import_module("mmengine.logging.logger").print_log

    def print_log_from_info(msg: Any, logger: Any = None, level: int = logging.INFO) -> None:
        if logger is not None or level >= logging.INFO:
            print_log(msg, logger, level)

    if not _is_ours(print_log):
        _replace_everywhere("print_log", print_log, print_log_from_info)
