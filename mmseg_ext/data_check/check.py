"""The check of a dataset: read every file that the cache lacks, judge all of them, add them up."""

import os
import stat as stat_module
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, TypeVar

from mmseg_ext.data_check.facts_cache import FactsCache, stamp_of
from mmseg_ext.data_check.file_facts import (
    ImageFacts,
    UnreadableFileError,
    read_image_facts,
    read_mask_facts,
    strict_pillow,
    unreadable,
)
from mmseg_ext.data_check.judge import ChecksLabelFile, LabelFileReport
from mmseg_ext.data_check.reading_plan import ReadingPlan, list_transforms, plan_reading
from mmseg_ext.data_check.report import DataReport, Problem
from mmseg_ext.data_check.totals import EntryFacts, Totals
from mmseg_ext.errors import UserError
from mmseg_ext.masks.mask_facts import MaskFacts

Facts = TypeVar("Facts", ImageFacts, MaskFacts)

_READERS: dict[type, tuple[str, Callable]] = {
    ImageFacts: ("image", read_image_facts),
    MaskFacts: ("mask", read_mask_facts),
}


def check_dataset(
    dataset: Any,
    *,
    cache_dir: str | os.PathLike | None = None,
    num_workers: int | None = None,
    progress: Callable[[int, int], object] | None = None,
    use_cache: bool = True,
    allow_palette: bool = False,
) -> DataReport:
    """Check every image and label file of a dataset.

    Each file is decoded in full once; afterwards its facts come from a cache for as long as its size, its times of
    modification and of change and its last 4 KiB stay. No random number is drawn and no transform is run.

    Args:
        dataset: An mmseg dataset, stock or not, or such datasets wrapped in Repeat-, Concat- or ClassBalancedDataset.
        cache_dir: Folder of the cache; None is `mmseg_ext` under $XDG_CACHE_HOME or ~/.cache.
        num_workers: Threads that read; None is one a core, eight at most. Decoding does not hold Python's lock.
        progress: Called with (done, total) after every image, in the calling thread.
        use_cache: Whether to use and write the cache.
        allow_palette: Whether the indices of palette PNGs are class indices. Those whose colours are the palette of
            the dataset are taken as indices anyway.

    Returns:
        The problems found and the statistics of the labels.
    """
    start = time.perf_counter()
    report = DataReport()
    parts = list(_unwrap(dataset))
    plans = [plan_reading(part, allow_palette) for part in parts]
    total = sum(len(plan.entries) for plan in plans)
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    with strict_pillow():
        for plan in plans:
            report.add(_check_part(plan, cache_dir, use_cache, _threads(num_workers), advance))
    report.seconds = time.perf_counter() - start
    return report


def _unwrap(dataset: Any) -> Iterator[Any]:
    """The datasets inside wrappers, each once."""
    seen: set[int] = set()
    stack = [dataset]
    while stack:
        inner = stack.pop(0)
        if hasattr(inner, "datasets"):
            stack = [*inner.datasets, *stack]
        elif hasattr(inner, "dataset"):
            stack.insert(0, inner.dataset)
        elif id(inner) not in seen:
            seen.add(id(inner))
            yield inner


def images_of(dataset: Any) -> list[str]:
    """List the images of a dataset, of all datasets inside wrappers, that lie on a disk of this machine."""
    paths = []
    for part in _unwrap(dataset):
        if hasattr(part, "get_data_info"):
            paths += [str(part.get_data_info(index).get("img_path") or "") for index in range(len(part))]
    return [path for path in paths if path and "://" not in path]


def transforms_of(dataset: Any) -> list[Any]:
    """List the transforms that samples of a dataset go through, of all datasets inside wrappers."""
    return [t for part in _unwrap(dataset) for t in list_transforms(getattr(part, "pipeline", None))]


def _threads(num_workers: int | None) -> int:
    if num_workers is not None:
        return max(1, num_workers)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(8, cores)


def _check_part(
    plan: ReadingPlan,
    cache_dir: str | os.PathLike | None,
    use_cache: bool,
    num_workers: int,
    advance: Callable[[], None],
) -> DataReport:
    report = DataReport(classes=list(plan.spec.classes), num_images=len(plan.entries))
    report.class_pixels, report.class_images = [0] * len(report.classes), [0] * len(report.classes)
    report.errors, report.warnings = list(plan.errors), list(plan.warnings)
    if not plan.entries or plan.skip:
        return report
    totals = Totals(plan, report)
    with closing(_read_all(plan, cache_dir, use_cache, num_workers, report.warnings)) as files:
        for entry, facts in files:
            totals.add(entry, facts)
            advance()
    totals.finish()
    return report


def _read_all(
    plan: ReadingPlan,
    cache_dir: str | os.PathLike | None,
    use_cache: bool,
    num_workers: int,
    warnings: list[Problem],
) -> Generator[tuple[dict, EntryFacts], None, None]:
    """Read the facts of all entries, in their order, by several threads; what the cache lacks is added to it."""
    folders = {os.path.dirname(os.path.abspath(entry["img_path"])) for entry in plan.entries}
    cache = FactsCache.for_folder(os.path.commonpath(folders), cache_dir) if use_cache else FactsCache(None)
    pool = ThreadPoolExecutor(num_workers, thread_name_prefix="data_check")
    try:
        for entry, facts in zip(plan.entries, pool.map(lambda e: _read(e, plan, cache), plan.entries), strict=True):
            for fresh in facts.fresh:
                cache.put(*fresh)
            yield entry, facts
    finally:
        pool.shutdown(cancel_futures=True)
        try:  # an interrupted check keeps what it read
            cache.save()
        except OSError as error:
            fix = "Everything is read again the next time: set DataCheckHook(cache_dir=…) to a folder you may write."
            warnings.append(Problem(str(cache.path), f"the cache cannot be written ({error})", fix, "cache"))


def read_facts(
    entries: Sequence[dict],
    *,
    cache_dir: str | os.PathLike | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> list[EntryFacts]:
    """Read what image and mask files hold, before anything is known of their classes.

    Args:
        entries: ``img_path`` and, where there is a mask, ``seg_map_path``.
        cache_dir: As for :func:`check_dataset`, which then reads nothing again.
        progress: Called with (done, total) after every image.
    """
    plan, found = ReadingPlan(entries=list(entries), mask_backend="pillow"), []
    with strict_pillow(), closing(_read_all(plan, cache_dir, True, _threads(None), [])) as files:
        for _, facts in files:
            found.append(facts)
            if progress is not None:
                progress(len(found), len(entries))
    return found


def _read(entry: dict, plan: ReadingPlan, cache: FactsCache) -> EntryFacts:
    """Read the facts of one entry that the cache lacks. Runs in a thread; writes nothing shared."""
    found = EntryFacts()
    image_path, mask_path = entry["img_path"], entry.get("seg_map_path")
    stat = _find(found, image_path, "image")
    if stat is not None and plan.image_backend is not None:
        found.image = _facts(found, cache, ImageFacts, image_path, stat, plan.image_backend)
    if plan.custom is not None:
        found.custom = _check_with(plan.custom, entry, found, plan)
    elif plan.mask_backend is not None and mask_path is not None:
        stat = _find(found, mask_path, "mask", image_path)
        if stat is not None:
            found.mask = _facts(found, cache, MaskFacts, mask_path, stat, plan.mask_backend)
    return found


def _find(found: EntryFacts, path: str, noun: str, image_path: str = "") -> os.stat_result | None:
    """Return the state of a file; None, and a problem noted, if it is missing or empty."""
    kind = f"{noun} unreadable"
    try:
        stat = os.stat(path)
        if not stat_module.S_ISREG(stat.st_mode):
            what = f"the {noun} is a folder, not a file"
        elif stat.st_size == 0:
            what = f"the {noun} is empty (0 bytes)"
        else:
            return stat
    except (FileNotFoundError, NotADirectoryError):
        kind = f"{noun} missing"
        what = f"the {noun} is missing" + (f"; its image is {image_path}" if image_path else "")
    except OSError as error:
        what = f"the {noun} cannot be read ({error})"
    fix = "Copy or download it again, or remove it from the list."
    if noun == "mask":
        fix = "Put the mask there, or remove its image from the list."
    found.problems.append(Problem(path, what, fix, kind))
    return None


def _facts(
    found: EntryFacts, cache: FactsCache, kind: type[Facts], path: str, stat: os.stat_result, backend: str
) -> Facts | None:
    key = f"{backend}:{os.path.abspath(path)}"
    noun, read = _READERS[kind]
    try:
        stamp = _stamp(path, stat)
        known = cache.get(kind, key, stamp)
        if known is not None:
            return known
        found.num_read += 1
        facts = read(path, backend)
    except UnreadableFileError as error:
        found.problems.append(Problem(path, f"the {noun} {error.what}", f"{error.fix}.", f"{noun} unreadable"))
        return None
    found.fresh.append((key, stamp, facts))
    return facts


def _stamp(path: str, stat: os.stat_result) -> list[int]:
    try:
        return stamp_of(path, stat)
    except OSError as error:
        raise unreadable(path, error) from error


def _check_with(loader: ChecksLabelFile, entry: dict, found: EntryFacts, plan: ReadingPlan) -> LabelFileReport | None:
    results = dict(entry)
    if found.image is not None:
        results["img_shape"] = plan.size_as_read(found.image)
    try:
        return loader.check_file(results)
    except UserError as error:
        found.problems.append(Problem(entry["img_path"], str(error), "", "labels"))
        return None
