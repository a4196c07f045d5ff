"""The options of tools/downsample.py, checked and combined."""

import argparse
import os
import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from mmseg_ext.downsampling.copies import Filters, Shard, Target
from mmseg_ext.downsampling.layouts import LAYOUTS, Layout, detect_layout, find_folders
from mmseg_ext.downsampling.record import copy_root
from mmseg_ext.errors import UserError


@dataclass(frozen=True)
class Options:
    """The arguments of `make_copies`, but for the display of its progress."""

    source: Path
    targets: list[Target]
    layout: Layout
    filters: Filters
    workers: int
    shard: Shard
    strict: bool


def read_options(args: argparse.Namespace) -> Options:
    """Check the command's arguments.

    Args:
        args: source, target, factor, labels, ignore, quality, png, layout, folders, tails, workers, shard, strict.

    Raises:
        UserError: One is out of range, two contradict each other, or the tree is of no known kind.
    """
    source = Path(os.path.normpath(args.source))
    factors = list(dict.fromkeys(args.factor))
    if min(factors) < 2:
        raise UserError(f"Expected every --factor to be 2 or more, got {min(factors)}.")
    if args.target is not None and len(factors) > 1:
        raise UserError(
            f"Expected one --factor with DST, got {len(factors)}. Leave out DST: each copy then lies beside SRC, as "
            f"{copy_root(source, factors[0])} does."
        )
    for flag, value in (("--folders", args.folders), ("--tails", args.tails)):
        if value and args.layout not in (None, "folders"):
            raise UserError(f"Expected {flag} without --layout {args.layout}: it stands for --layout folders.")
    roots = [Path(args.target) if args.target is not None else copy_root(source, factor) for factor in factors]
    layout = _layout(source, args.layout, args.folders, args.tails)
    ignored = layout.ignored if args.ignore is None else tuple(map(_label, args.ignore))
    workers = args.workers if args.workers is not None else _num_cores()
    if workers < 1:
        raise UserError(f"Expected --workers to be 1 or more, got {workers}.")
    return Options(
        source,
        [Target(factor, root) for factor, root in zip(factors, roots, strict=True)],
        layout,
        Filters(args.labels, ignored, "png" if args.png else "same", args.quality, layout.color_threshold),
        workers,
        _shard(args.shard),
        args.strict,
    )


def _layout(source: Path, name: str | None, folders: list[str] | None, tails: list[str] | None) -> Layout:
    if folders or tails:
        images, masks = folders or ("images", "masks")
        image_tail, mask_tail = tails or ("", "")
        find = partial(find_folders, images=images, masks=masks, image_tail=image_tail, mask_tail=mask_tail)
        tree = f"{images}/<name>{image_tail}.* beside {masks}/<name>{mask_tail}.*"
        return replace(LAYOUTS["folders"], tree=tree, find=find)
    return detect_layout(source) if name is None else LAYOUTS[name]


def _label(text: str) -> int | str:
    if re.fullmatch(r"\d+", text):
        return int(text)
    if re.fullmatch(r"#[0-9A-Fa-f]{6}", text):
        return text.upper()
    raise UserError(f"Expected numbers or colours like '#9B9B9B' behind --ignore, got {text!r}.")


def _shard(text: str) -> Shard:
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None:
        raise UserError(f"Expected --shard i/n, such as 1/4, got {text!r}.")
    return Shard(int(match[1]), int(match[2]))


def _num_cores() -> int:
    """Count the cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # Linux only
        return os.cpu_count() or 1
