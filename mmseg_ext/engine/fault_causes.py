"""What ended a run, in one line that names its cause: the data, the config, the memory, the system."""

import difflib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import nn

from mmseg_ext.data_check import describe_empty
from mmseg_ext.engine.config_keys import REGISTRIES
from mmseg_ext.errors import UserError, describe_os_error, out_of_range

_KILLED_WORKER = re.compile(r"DataLoader worker \(pid\(?s?\)?,? ?[^)]*\) (.*)", re.DOTALL)
_IN_WORKER = re.compile(r"Caught (\w+) in DataLoader worker process \d+\.\nOriginal Traceback")
_LAST_ERROR = re.compile(r"^(?:[\w.]+\.)?(\w+(?:Error|Exception|Interrupt)): ", re.MULTILINE)
_SYSTEM_ERROR = re.compile(r"\[Errno (\d+)\] ([^:\n]*)(?:: '(.*)')?$")
_UNKNOWN_TYPE = re.compile(r"(\S+) is not in the (?:\S+::)?([\w ]+?) registry")
_MEMORY = re.compile(r"can't allocate memory|out of memory|not enough memory", re.IGNORECASE)


def explain_fault(error: BaseException, config: Config, runner: Runner | None) -> UserError | None:
    """Find the cause of what ended a run.

    Args:
        error: What was raised.
        config: Of the run.
        runner: The runner, None where the error came while it was built. Its ``last_batch``, where it has one, is the
            batch that was worked on.

    Returns:
        An error of one line; None where the cause is not known, for which the traceback is the best answer.
    """
    if not isinstance(error, Exception):
        return None
    finders: tuple[Callable[[Exception, Config, Runner | None], str | None], ...] = (
        _killed_worker,
        _error_in_worker,
        _no_memory,
        _unknown_type,
        _no_data,
        _bad_batch,
        _other_channels,
    )
    for find in finders:
        line = find(error, config, runner)
        if line is not None:
            return UserError(line)
    return None


def _loader_of(config: Config, runner: Runner | None) -> tuple[str, Mapping[str, Any]]:
    """Return the data loader that was read from, by its key in the config."""
    stage = None if runner is None else runner.message_hub.get_info("loop_stage")
    key = f"{stage or 'train'}_dataloader"
    return key, config.get(key) or {}


def _killed_worker(error: Exception, config: Config, runner: Runner | None) -> str | None:
    found = _KILLED_WORKER.search(str(error)) if isinstance(error, RuntimeError) else None
    if found is None:
        return None
    key, loader = _loader_of(config, runner)
    batch, workers = loader.get("batch_size", 1), loader.get("num_workers", 0)
    how = found[1].split(". It is possible")[0].rstrip(". \n")
    what = "the shared memory (/dev/shm) was full" if "Bus error" in found[1] else "the memory ran out"
    less = f"{key}.num_workers={workers // 2} {key}.batch_size={max(1, batch // 2)}"
    return (
        f"A data loading worker {how}, as the system does where {what}. {key}: {workers} workers with batches of "
        f"{batch}. Use less memory: --cfg-options {less}, or end other programs; go on with --resume."
    )


def _error_in_worker(error: Exception, config: Config, runner: Runner | None) -> str | None:
    """Return what a worker raised, without the traceback that torch writes into its message."""
    text = str(error)
    if not _IN_WORKER.match(text):
        return None
    heads = list(_LAST_ERROR.finditer(text))
    if not heads:
        return None
    kind, message = heads[-1][1], text[heads[-1].end() :].strip()
    if kind == "UserError":
        return message
    system = _SYSTEM_ERROR.search(message)
    if system is None:
        return None
    return describe_os_error(OSError(int(system[1]), system[2], system[3]))


def _no_memory(error: Exception, config: Config, runner: Runner | None) -> str | None:
    is_full = isinstance(error, (MemoryError, torch.OutOfMemoryError))
    if not is_full and not (isinstance(error, RuntimeError) and _MEMORY.search(str(error))):
        return None
    key, loader = _loader_of(config, runner)
    place = "GPU memory" if "CUDA" in str(error) else "memory"
    return (
        f"The {place} ran out with batches of {loader.get('batch_size', 1)} ({key}). Use less: --cfg-options "
        f"{key}.batch_size={max(1, loader.get('batch_size', 1) // 2)}, smaller crops, or with_cp=True of the backbone; "
        "or end other programs that use it."
    )


def _unknown_type(error: Exception, config: Config, runner: Runner | None) -> str | None:
    found = _UNKNOWN_TYPE.search(str(error)) if isinstance(error, KeyError) else None
    if found is None:
        return None
    name, kind = found[1].strip("'\""), found[2]
    plain = name.rpartition(".")[2]
    registry = next((registry for registry in REGISTRIES if registry.name == kind), None)
    known = {key for key in _names_in(registry)}
    near = next((key for key in known if key == f"mmseg_ext.{plain}" or key == plain), None)
    if near is None:
        by_plain = {key.rpartition(".")[2]: key for key in sorted(known, reverse=True)}
        close = difflib.get_close_matches(plain, by_plain, n=1)
        near = by_plain[close[0]] if close else None
    hint = f"Did you mean {near}?" if near else "Import the module that registers it (custom_imports)."
    return f"There is no {kind} {name!r}. {hint}"


def _names_in(registry: Any) -> Iterator[str]:
    """List the names of a registry of mmseg, as a config with ``default_scope = 'mmseg'`` writes them."""
    if registry is None:
        return
    registry.import_from_location()
    yield from registry.module_dict
    for scope, child in registry.children.items():
        child.import_from_location()
        yield from (f"{scope}.{name}" for name in child.module_dict)
    if registry.parent is not None:
        yield from registry.parent.module_dict


def _frames(error: BaseException) -> Iterator[Mapping[str, Any]]:
    """Go through the local variables where an error came from, the innermost first."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame.f_locals)
        trace = trace.tb_next
    return reversed(frames)


def _no_data(error: Exception, config: Config, runner: Runner | None) -> str | None:
    """Say which files a dataset that was being built lacks."""
    if not isinstance(error, (AssertionError, ValueError, IndexError)) or isinstance(error, UserError):
        return None
    owners = (frame.get("self") for frame in _frames(error))
    dataset: Any = next((owner for owner in owners if hasattr(owner, "load_data_list")), None)
    if dataset is None:
        return None
    if "concatenate" in str(error):  # mmengine, of an empty list
        return str(describe_empty(dataset))
    name = type(dataset).__name__
    ann_file = str(getattr(dataset, "ann_file", "") or "")
    if ann_file and not os.path.exists(ann_file):
        return f"Expected the list of images `ann_file` of {name} at {ann_file}, found none. Set ann_file or data_root."
    prefix = getattr(dataset, "data_prefix", None) or {}
    missing = [f"{key}={value}" for key, value in prefix.items() if value and not os.path.exists(value)]
    if missing:
        return f"Expected the folders of {name}, found none at {', '.join(missing)}. Set data_root or data_prefix."
    return None


def _bad_batch(error: Exception, config: Config, runner: Runner | None) -> str | None:
    """Find an image of the last batch whose labels do not fit: its files were fit when they were checked."""
    batch = getattr(runner, "last_batch", None)
    if runner is None or not isinstance(batch, Mapping) or isinstance(error, UserError):
        return None
    num_classes = getattr(getattr(_model(runner), "decode_head", None), "num_classes", None)
    for image, sample in zip(batch.get("inputs", ()), batch.get("data_samples", ()), strict=False):
        if "gt_sem_seg" not in sample:
            continue
        labels = sample.gt_sem_seg.data
        where = f"{sample.get('seg_map_path') or 'the labels'} of {sample.get('img_path')}"
        again = "The file is another than when the data were checked: correct it, and go on with --resume."
        is_training = runner.message_hub.get_info("loop_stage") == "train"
        size = tuple(image.shape[-2:]) if is_training else tuple(sample.get("ori_shape", labels.shape[-2:]))
        if tuple(labels.shape[-2:]) != size:
            return f"{where}: Expected labels of the image's size {size}, got {tuple(labels.shape[-2:])}. {again}"
        if isinstance(num_classes, int):
            values = labels.unique().tolist()
            wrong = [value for value in values if value != 255 and not 0 <= value < num_classes]
            if wrong:
                return f"{where}: {out_of_range('labels', wrong, num_classes, 255)} {again}"
    return None


def _model(runner: Runner) -> Any:
    return getattr(runner.model, "module", runner.model)


def _other_channels(error: Exception, config: Config, runner: Runner | None) -> str | None:
    """Find the part of a model whose `in_channels` are not those of the feature maps before it."""
    batch = getattr(runner, "last_batch", None)
    if runner is None or not isinstance(batch, Mapping) or isinstance(error, (UserError, OSError)):
        return None
    model = _model(runner).eval()
    try:
        device = next(model.parameters()).device
        with torch.no_grad():
            maps = model.backbone(batch["inputs"][0][None].float().to(device))
            for name in ("neck", "decode_head", "auxiliary_head"):
                part = getattr(model, name, None)
                if part is None:
                    continue
                wanted, found = _channels_before(part, [part_map.shape[1] for part_map in maps])
                if wanted != found:
                    return (
                        f"Expected feature maps of {wanted} channels before model.{name} ({type(part).__name__}), got "
                        f"{found}. Set model.{name}.in_channels={found}."
                    )
                if name == "neck":
                    maps = part(maps)
    except Exception:  # the model fails for another reason, which the error at hand tells
        return None
    return None


def _channels_before(part: nn.Module, found: list[int]) -> tuple[Any, Any]:
    """Return the channels that a part wants, and in the same form those that it gets."""
    wanted: Any = getattr(part, "in_channels", None)
    index: Any = getattr(part, "in_index", None)
    if isinstance(wanted, int):
        if isinstance(index, int):
            return wanted, found[index]
        return wanted, sum(found[i] for i in index) if index is not None else found[-1]
    if not isinstance(wanted, Sequence):
        return None, None
    return list(wanted), found if index is None else [found[i] for i in index]
