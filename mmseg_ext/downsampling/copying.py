"""Making copies of a dataset at fractions of its resolution: planned, done in parallel, resumed, recorded."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import compress, islice
from multiprocessing import get_context
from pathlib import Path

import cv2

from mmseg_ext.downsampling.copies import Filters, Shard, Target
from mmseg_ext.downsampling.copy_state import claim_copy, find_lacking, finish_copy, remove_leftovers
from mmseg_ext.downsampling.layouts import Failure, Layout, list_pairs
from mmseg_ext.downsampling.pair_copying import Done, Job, PairCopier
from mmseg_ext.downsampling.record import RECORD_NAME, hash_names
from mmseg_ext.errors import UserError
from mmseg_ext.stack.parent_process import end_with_parent

_PAIRS_A_TASK = 4
_TASKS_A_WORKER = 3  # submitted at a time: enough to keep a worker busy, few enough to bound memory


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
    progress: Callable[[int, int], object] = lambda done, total: None,
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
    if strict:
        _stop_at_first(source, failed)
    digest = hash_names(f"{image}\t{mask or ''}" for image, mask in pairs)
    mine = pairs[shard.index - 1 :: shard.count]
    for target in targets:
        claim_copy(source, target, layout, filters)
    todo_of = [find_lacking(target.root, mine, filters) for target in targets]

    def jobs() -> Iterator[Job]:
        for pair, *is_lacking in zip(mine, *todo_of, strict=True):
            if any(is_lacking):
                yield pair, tuple(compress(targets, is_lacking))

    todo = sum(1 for _ in jobs())
    for target in targets:
        remove_leftovers(target.root, mine, filters)
    done, num_turned = len(mine) - todo, 0
    progress(done, len(mine))
    for failures, count, turned in _run(PairCopier(source, filters), jobs(), workers if todo > _PAIRS_A_TASK else 1):
        failed += failures
        done += count
        num_turned += turned
        progress(done, len(mine))
        if strict:
            _stop_at_first(source, failures)
    bad = {failure.path for failure in failed}
    num_bad = sum(not bad.isdisjoint(pair) for pair in mine)
    missing = ""
    for target in targets:
        if shard.count > 1 and todo > num_bad:
            (target.root / RECORD_NAME).unlink(missing_ok=True)  # of an earlier state
        missing = finish_copy(source, target, layout, filters, pairs, failed, shard, digest) or missing
    return Result(len(mine) - num_bad, todo - num_bad, sorted(failed), num_turned, not missing, missing)


def _stop_at_first(source: Path, failures: Sequence[Failure]) -> None:
    if failures:
        raise CopyStoppedError(f"{source / failures[0].path}: {failures[0].reason}.")


def _run(copy: PairCopier, jobs: Iterable[Job], workers: int) -> Iterator[Done]:
    """Do the jobs, in this process or in several, a few at a time."""
    iterator = iter(jobs)
    tasks = iter(lambda: list(islice(iterator, _PAIRS_A_TASK)), [])
    if workers <= 1:
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            yield from map(copy, tasks)
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
            running.add(pool.submit(copy, task))
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
