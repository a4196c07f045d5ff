"""Making copies of a dataset at fractions of its resolution: planned, done in parallel, resumed, recorded."""

import json
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress, islice
from multiprocessing import get_context
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from mmseg_ext.downsampling.image_files import (
    UnusableFileError,
    encode_image,
    encode_label_file,
    read_image,
    read_label_file,
)
from mmseg_ext.downsampling.layouts import Failure, Layout, Pair, list_pairs
from mmseg_ext.downsampling.record import RECORD_NAME, STATE_FOLDER, hash_names, make_record
from mmseg_ext.downsampling.reduce import LABEL_FILTERS, LabelFilter, reduce_image, reduce_labels
from mmseg_ext.errors import UserError
from mmseg_ext.files import find_json, replace_file
from mmseg_ext.masks.color_masks import binarize_colors, parse_color
from mmseg_ext.masks.orientation import FIX_UNTURNED, read_orientation, swap_size
from mmseg_ext.stack.parent_process import end_with_parent

_PAIRS_A_TASK = 4
_TASKS_A_WORKER = 3  # submitted at a time: enough to keep a worker busy, few enough to bound memory


@dataclass(frozen=True)
class Filters:
    """How a copy is made.

    Attributes:
        labels: 'majority' or 'nearest'; see `reduce_labels`.
        ignored: Labels (numbers) or colours ('#RRGGBB') without a vote.
        image_format: 'same', or 'png' for images without loss.
        quality: Of JPEG and WebP images, 1 to 100.
        color_threshold: The lowest value that stands for 255 in masks whose colours are only nearly those of the
            classes; the copy holds the pure ones. None takes colours as they are.
    """

    labels: LabelFilter = "majority"
    ignored: tuple[int | str, ...] = ()
    image_format: str = "same"
    quality: int = 95
    color_threshold: int | None = None

    def __post_init__(self) -> None:
        if self.labels not in LABEL_FILTERS:
            raise UserError(
                f"Expected the labels' filter to be one of {', '.join(LABEL_FILTERS)}, got {self.labels!r}."
            )
        if self.image_format not in ("same", "png"):
            raise UserError(f"Expected the images' format to be 'same' or 'png', got {self.image_format!r}.")
        if not 1 <= self.quality <= 100:
            raise UserError(f"Expected a JPEG quality from 1 to 100, got {self.quality}.")
        for label in self.ignored:
            if isinstance(label, str):
                parse_color(label)

    def to_dict(self) -> dict[str, Any]:
        """Write the filters for the record."""
        purified = {} if self.color_threshold is None else {"color_threshold": self.color_threshold}
        return {
            **purified,
            "images": "area average",
            "labels": self.labels,
            "ignored": list(self.ignored),
            "image_format": self.image_format,
            "jpeg_quality": self.quality,
            "size": "nearest whole number, halves up, at least 1",
        }

    def copied_name(self, image: str) -> str:
        """Name an image in the copy."""
        return str(PurePosixPath(image).with_suffix(".png")) if self.image_format == "png" else image


@dataclass(frozen=True)
class Target:
    """One copy: its factor and its folder."""

    factor: int
    root: Path


@dataclass(frozen=True)
class Shard:
    """The part of the images that one of several machines does: number `index` of `count`, from 1."""

    index: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise UserError(f"Expected a shard i/n with i from 1 to n, got {self.index}/{self.count}.")


@dataclass(frozen=True)
class Result:
    """What a run came to.

    Attributes:
        num_images: Images of this run's shard that are there at the end, with their masks.
        num_made: Those of which this run made something; the others had been there.
        failed: What was left out, and why.
        num_turned: Images of this run whose EXIF orientation, which the copy holds as turned pixels, their masks lack.
        is_complete: Whether the copies have their record; False where other shards are missing.
        missing: What is missing for that, in words.
    """

    num_images: int
    num_made: int
    failed: list[Failure]
    num_turned: int
    is_complete: bool
    missing: str = ""


class CopyStoppedError(UserError):
    """A file was unusable and the run was to stop at the first."""


def make_copies(
    source: Path,
    targets: Sequence[Target],
    layout: Layout,
    filters: Filters,
    workers: int = 1,
    shard: Shard | None = None,
    strict: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Make the copies, or go on making them.

    A file is there or not, never half; an image is written after its mask. What is there is not made again.

    Args:
        source: The original.
        targets: The copies; all are made from one decoding of each file.
        layout: The kind of tree of the original.
        filters: How the copies are made.
        workers: Processes; 1 works in this one.
        shard: The part of the images to do; all by default.
        strict: Stop at the first unusable file.
        progress: Called with (done, all) images.

    Raises:
        UserError: A copy was begun with other filters, its folder holds something else, a worker died.
        CopyStoppedError: A file was unusable, with `strict`.
    """
    shard = shard or Shard()
    pairs, failed = list_pairs(source, layout)
    if strict and failed:
        raise CopyStoppedError(f"{source / failed[0].path}: {failed[0].reason}.")
    digest = hash_names(f"{image}\t{mask or ''}" for image, mask in pairs)
    mine = pairs[shard.index - 1 :: shard.count]
    for target in targets:
        _claim(source, target, layout, filters)
    todo_of = [_lacking(target.root, mine, filters) for target in targets]

    def jobs() -> Iterator[Job]:
        for pair, *is_lacking in zip(mine, *todo_of, strict=True):
            if any(is_lacking):
                yield pair, tuple(compress(targets, is_lacking))

    todo = sum(1 for _ in jobs())
    for target in targets:
        _remove_leftovers(target.root, mine, filters)
    done, num_turned = len(mine) - todo, 0
    if progress:
        progress(done, len(mine))
    for failures, count, turned in _run(_Work(source, filters), jobs(), workers if todo > _PAIRS_A_TASK else 1):
        failed += failures
        done += count
        num_turned += turned
        if progress:
            progress(done, len(mine))
        if strict and failures:
            raise CopyStoppedError(f"{source / failures[0].path}: {failures[0].reason}.")
    bad = {failure.path for failure in failed}
    num_bad = sum(not bad.isdisjoint(pair) for pair in mine)
    missing = ""
    for target in targets:
        if shard.count > 1 and todo > num_bad:
            (target.root / RECORD_NAME).unlink(missing_ok=True)  # of an earlier state
        missing = _finish(source, target, layout, filters, pairs, failed, shard, digest) or missing
    return Result(len(mine) - num_bad, todo - num_bad, sorted(failed), num_turned, not missing, missing)


# --- one image with its mask ------------------------------------------------------------------------------------------


Job = tuple[Pair, tuple[Target, ...]]
Done = tuple[list[Failure], int, int]


@dataclass(frozen=True)
class _Work:
    """Makes the copies of single images and masks; travels to the workers."""

    source: Path
    filters: Filters

    def __call__(self, jobs: Sequence[Job]) -> Done:
        """Do some jobs: what failed, how many there were, and how many images were turned unlike their masks."""
        failures, num_turned = [], 0
        for pair, targets in jobs:
            try:
                num_turned += self._reduce(pair, targets)
            except _PairError as error:
                failures.append(error.failure)
        return failures, len(jobs), num_turned

    def _reduce(self, pair: Pair, targets: Sequence[Target]) -> bool:
        """Copy an image and its mask; returns whether only the image has an EXIF orientation that sizes do not show."""
        is_turned = False
        image = _or_fail(pair.image, read_image, self.source / pair.image)
        name = self.filters.copied_name(pair.image)
        if pair.mask is not None:
            file = _or_fail(pair.mask, read_label_file, self.source / pair.mask)
            size, mask_size = image.shape[:2], file.labels.shape[:2]
            orientation = read_orientation(self.source / pair.image)
            stored_size = swap_size((size[0], size[1]), orientation)
            if mask_size != size:
                sizes = [f"{height}x{width}" for height, width in (mask_size, size)]
                reason = f"is {sizes[0]}, its image {pair.image} is {sizes[1]} (height x width)"
                if mask_size == stored_size:
                    reason += f" when turned by its EXIF orientation ({orientation}). {FIX_UNTURNED}"
                raise _PairError(Failure(pair.mask, reason))
            if orientation != 1 and stored_size == size:
                is_turned = read_orientation(self.source / pair.mask) != orientation
            labels = file.labels
            if labels.ndim == 3 and self.filters.color_threshold is not None:
                labels = binarize_colors(labels, self.filters.color_threshold)
            labels, ignored = _prepare_labels(labels, file.palette, self.filters.ignored)
            suffix = PurePosixPath(pair.mask).suffix
            for target in targets:
                reduced = reduce_labels(labels, target.factor, ignored, self.filters.labels)
                content = _or_fail(pair.mask, encode_label_file, file, reduced.astype(file.labels.dtype), suffix)
                replace_file(target.root / pair.mask, content, sync=False)
        for target in targets:
            reduced = reduce_image(image, target.factor)
            suffix = PurePosixPath(name).suffix
            content = _or_fail(pair.image, encode_image, reduced, suffix, self.filters.quality)
            replace_file(target.root / name, content, sync=False)
        return is_turned


class _PairError(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


def _or_fail(path: str, function: Callable, *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except UnusableFileError as error:
        raise _PairError(Failure(path, str(error))) from error


def _prepare_labels(
    labels: np.ndarray, palette: bytes | None, ignored: Sequence[int | str]
) -> tuple[np.ndarray, list[Any]]:
    """Convert labels, and the ignored ones, to the form that `reduce_labels` takes.

    Returns:
        uint8, uint16 or colours as they were; where a palette shows one colour under two indices and colours are
        ignored, the first index stands for both. The ignored labels, or BGR colours.
    """
    numbers = [label for label in ignored if isinstance(label, int)]
    colors = [parse_color(label) for label in ignored if isinstance(label, str)]
    if labels.ndim == 3:
        return labels, [color[::-1] for color in colors]
    if labels.dtype == bool:
        labels = labels.astype(np.uint8)
    if palette is None:
        return labels, numbers + [color[0] for color in colors if len(set(color)) == 1]
    if colors:
        entries = [tuple(palette[i : i + 3]) for i in range(0, len(palette), 3)]
        first_of: dict[tuple[int, ...], int] = {}
        table = np.arange(256, dtype=np.uint8)
        for index, color in enumerate(entries[:256]):
            table[index] = first_of.setdefault(color, index)
        labels = np.asarray(cv2.LUT(labels, table))
        numbers += [first_of[color] for color in colors if color in first_of]
    return labels, numbers


# --- all of them ------------------------------------------------------------------------------------------------------


def _names(pair: Pair, filters: Filters) -> list[str]:
    """Name the files of a pair in the copy."""
    return [filters.copied_name(pair.image)] + ([] if pair.mask is None else [pair.mask])


def _lacking(root: Path, pairs: Iterable[Pair], filters: Filters) -> list[bool]:
    """Find the pairs of which a copy lacks a file."""

    @lru_cache(maxsize=4)  # pairs are sorted by folder
    def names_in(folder: str) -> set[str]:
        return set(os.listdir(root / folder)) if (root / folder).is_dir() else set()

    lacking = []
    for pair in pairs:
        parts = (name.rpartition("/") for name in _names(pair, filters))
        lacking.append(not all(name in names_in(folder) for folder, _, name in parts))
    return lacking


def _remove_leftovers(root: Path, pairs: Iterable[Pair], filters: Filters) -> None:
    """Remove the unfinished files that a killed run left of these pairs; those of other shards may be in use."""
    folders = {name.rpartition("/")[0] for pair in pairs for name in _names(pair, filters)}
    found = [path for folder in folders for path in (root / folder).glob(".?*.????????") if path.is_file()]
    if found:
        mine = {root / name for pair in pairs for name in _names(pair, filters)}
        for path in found:
            if path.with_name(path.stem[1:]) in mine:
                path.unlink(missing_ok=True)


def _run(work: _Work, jobs: Iterable[Job], workers: int) -> Iterator[Done]:
    """Do the jobs, in this process or in several, a few at a time."""
    iterator = iter(jobs)
    tasks = iter(lambda: list(islice(iterator, _PAIRS_A_TASK)), [])
    if workers <= 1:
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            yield from map(work, tasks)
        finally:
            cv2.setNumThreads(threads)
        return
    # Fresh processes: a fork would inherit the threads and locks of the caller.
    pool = ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_start_worker, initargs=(os.getpid(),)
    )
    try:
        running: set[Future] = set()
        for task in tasks:
            running.add(pool.submit(work, task))
            if len(running) >= workers * _TASKS_A_WORKER:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    except BrokenProcessPool:
        raise UserError(
            "Expected the workers to live, one was killed; usually memory ran out. The same command continues from "
            "here; use fewer --workers."
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker(parent: int) -> None:
    """Leave Ctrl-C to the main process, which lets the current files be finished; one thread a worker."""
    end_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)


# --- the state of a copy ----------------------------------------------------------------------------------------------


def _settings(target: Target, layout: Layout, filters: Filters) -> dict[str, Any]:
    return {"factor": target.factor, "layout": layout.name, "filters": filters.to_dict()}


def _claim(source: Path, target: Target, layout: Layout, filters: Filters) -> None:
    """Mark a copy's folder as this command's, or refuse it."""
    root, wanted = target.root, _settings(target, layout, filters)
    inside, outside = root.resolve(), source.resolve()
    if inside == outside or outside in inside.parents or inside in outside.parents:
        raise UserError(f"Expected a folder beside the original {source} for the copy, got {root}.")
    alternatives = f"name another folder for the copy, or remove {root}"
    found = _read_json(root / RECORD_NAME) or _read_json(root / STATE_FOLDER / "settings.json")
    if found is None:
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise UserError(
                f"Expected {root} to be empty or a copy that this command made, found something else: {alternatives}."
            )
    else:
        different = _differences(found, wanted)
        if different:
            raise UserError(
                f"Expected the copy in {root} to be made as this run would make it, but it was made with {different}. "
                f"Repeat those settings, or {alternatives}."
            )
    replace_file(root / STATE_FOLDER / "settings.json", json.dumps(wanted, indent=1))


def _differences(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    flat_found = {**found.get("filters", {}), "factor": found.get("factor"), "layout": found.get("layout")}
    flat_wanted = {**wanted["filters"], "factor": wanted["factor"], "layout": wanted["layout"]}
    return ", ".join(
        f"{key} {flat_found.get(key)}, not {value}"
        for key, value in flat_wanted.items()
        if flat_found.get(key) != value
    )


def _read_json(path: Path) -> dict[str, Any] | None:
    content = find_json(path)
    return content if isinstance(content, dict) else None


def _finish(
    source: Path,
    target: Target,
    layout: Layout,
    filters: Filters,
    pairs: Sequence[Pair],
    failed: Sequence[Failure],
    shard: Shard,
    digest: str,
) -> str:
    """Write the record, or the state of this shard; returns what is missing for the record, '' for nothing."""
    state = target.root / STATE_FOLDER
    if shard.count > 1:
        if (target.root / RECORD_NAME).is_file():  # complete before, and nothing was to be made
            _remove_state(state)
            return ""
        own = {"list_sha256": digest, "failed": [failure._asdict() for failure in failed]}
        replace_file(state / f"shard-{shard.index}-of-{shard.count}.json", json.dumps(own, indent=1))
        shards = [_read_json(state / f"shard-{i}-of-{shard.count}.json") for i in range(1, shard.count + 1)]
        lacking = [str(i) for i, found in enumerate(shards, 1) if found is None]
        if lacking:
            return f"shards {', '.join(lacking)} of {shard.count} have not ended in {target.root}"
        others = [str(i) for i, found in enumerate(shards, 1) if found and found["list_sha256"] != digest]
        if others:
            return f"shards {', '.join(others)} of {shard.count} found other files in {source} than this one"
        failed = sorted({Failure(**failure) for found in shards if found for failure in found["failed"]})
    bad = {failure.path for failure in failed}
    kept = [pair for pair in pairs if bad.isdisjoint(pair)]
    num_lacking = sum(_lacking(target.root, kept, filters))
    if num_lacking:
        return f"{num_lacking} of {len(kept)} images are not in {target.root}"
    copied = [Pair(filters.copied_name(image), mask) for image, mask in kept]
    record = make_record(_settings(target, layout, filters), source, target.root, copied, failed)
    replace_file(target.root / RECORD_NAME, json.dumps(record, indent=1))
    _remove_state(state)
    return ""


def _remove_state(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink(missing_ok=True)
    folder.rmdir()
