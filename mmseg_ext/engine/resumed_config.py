"""Whether a run that is resumed goes on with the config that it was begun with."""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from mmseg_ext.errors import MAX_LISTED, UserError
from mmseg_ext.stack import read_checkpoint_meta
from mmseg_ext.stack.config_text import parse_config_text
from mmseg_ext.stack.replacement import one_line

ANYWAY_KEY = "resumed_with_other"
"""Key of a run's config: the settings that were others before a resume, for the tables."""

COMPARED = (
    *("model", "data_preprocessor", "train_dataloader", "val_dataloader", "val_evaluator"),
    *("optim_wrapper", "param_scheduler", "train_cfg", "randomness"),
)
"""What a score depends on. Variables of the config files, hooks, logging, the test and the work dir do not count."""

NOT_COMPARED = re.compile(
    r"\w+_dataloader\.(num_workers|persistent_workers|pin_memory|prefetch_factor|.*\b(cache_dir|cache_gb|backend_args))"
    r"|model\.(.*\.)?(pretrained|init_cfg|checkpoint|with_cp)"  # weights come from the checkpoint
    r"|train_cfg\.(max_iters|max_epochs|val_interval|val_begin|dynamic_intervals.*)"
    r"|param_scheduler\.\d+\.(end|T_max|total_steps)"  # a longer run
    r"|randomness\.(deterministic|diff_rank_seed)"
)
"""What may be another without a word: how data are loaded, where weights came from, how long is trained."""


def changed_settings(before: Config | Mapping[str, Any], now: Config | Mapping[str, Any]) -> list[tuple[str, str]]:
    """Compare what a score depends on in two configs.

    A data root counts as the same where the last folder of its path is, so that data can be moved. Paths below it are
    compared relative to it. SyncBN counts as BN, which it becomes on a machine without a GPU.

    Args:
        before: The config that the run was begun with.
        now: The config of its resume.

    Returns:
        (dotted key, 'old → new'), sorted as in the configs.
    """
    found: list[tuple[str, str]] = []
    for name in COMPARED:
        if name.startswith("val_") and not now.get(name):  # nothing is scored any more
            continue
        found += _differences(name, _comparable(before.get(name)), _comparable(now.get(name)))
    return found


def _comparable(value: Any, root: str = "") -> Any:
    """Bring a value into the form that is compared: plain lists and dicts, without None and without moved paths."""
    if isinstance(value, Mapping):
        own = value.get("data_root")
        root = own if isinstance(own, str) else root
        return {key: _comparable(item, root) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_comparable(item, root) for item in value]
    if value == "SyncBN":
        return "BN"
    if isinstance(value, str) and root:
        path, folder = os.path.normpath(value), os.path.normpath(root)
        if path == folder or path.startswith(folder + os.sep):
            return os.path.join(os.path.basename(folder), os.path.relpath(path, folder))
    return value


def _differences(key: str, before: Any, now: Any) -> Iterator[tuple[str, str]]:
    if before == now or NOT_COMPARED.fullmatch(key):
        return
    if isinstance(before, dict) and isinstance(now, dict) and before.get("type") == now.get("type"):
        for name in {**before, **now}:
            yield from _differences(f"{key}.{name}", before.get(name), now.get(name))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for index, pair in enumerate(zip(before, now, strict=True)):
            yield from _differences(f"{key}.{index}", *pair)
    elif isinstance(before, dict) and isinstance(now, dict):
        yield f"{key}.type", f"{before.get('type')} → {now.get('type')}"
    else:
        yield key, f"{_short(before)} → {_short(now)}"


def _short(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(item, dict) and "type" in item for item in value):
        return f"[{', '.join(str(item['type']) for item in value)}]"
    return "none" if value is None else one_line(value, 60)


def list_changes(changes: list[tuple[str, str]]) -> str:
    """Write changed settings in one line."""
    shown = "; ".join(f"{key} ({what})" for key, what in changes[:MAX_LISTED])
    return shown + (f"; and {len(changes) - MAX_LISTED} more" if len(changes) > MAX_LISTED else "")


def check_resumed_config(config: Config, checkpoint: str | Path, anyway: bool = False) -> None:
    """Refuse to resume a run with another config; note in the config what was resumed anyway, in place.

    Args:
        config: Of the resume. Its ``resumed_with_other`` lists what differed at this resume and at those before it.
        checkpoint: What is resumed; its meta information holds the config that it was trained with.
        anyway: Whether to go on with another config.

    Raises:
        UserError: The config differs in what a score depends on.
    """
    meta = read_checkpoint_meta(checkpoint)
    text = meta.get("cfg")
    if not isinstance(text, str):
        return
    try:
        before = parse_config_text(text, source=str(checkpoint))
    except UserError as error:
        print_log(f"The config is not compared with that of the run: {error}", "current", logging.WARNING)
        return
    if meta.get("seed") is not None:  # a run without a seed in its config has drawn one
        before.randomness = {**(before.get("randomness") or {}), "seed": meta["seed"]}
    changes = changed_settings(before, config)
    if changes and not anyway:
        raise UserError(
            f"Expected the config that {checkpoint} was trained with, got another one: {list_changes(changes)}. A new "
            "run needs another --work-dir. To go on with this config, add --resume-anyway: score tables then say so."
        )
    noted = [*before.get(ANYWAY_KEY, ()), *(key for key, _ in changes)]
    if noted:
        config[ANYWAY_KEY] = list(dict.fromkeys(map(str, noted)))
