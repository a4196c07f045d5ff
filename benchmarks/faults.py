"""What goes wrong, tried many times: damaged and forged files, kills, full disks, wrong arguments.

Usage: ``python benchmarks/faults.py [--quick] [--share 0.25] [--only checkpoints kills] [--seed 1]``

Every trial runs in a process of its own. One has survived if it ended as docs/safety.md promises: with the right
result, or with one line that says what is wrong; without a traceback, a crash, a hang, code of a file that ran, or a
file that is half written. The exit status is 1 if any has failed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from comparison import describe_machine  # noqa: E402
from fault_trials import caches, disks, files  # noqa: E402
from fault_trials.checkpoints import CheckpointTrials, follow_pointer, read_config  # noqa: E402
from fault_trials.kills import CopyKills, TrainingKills, kill_decoded_cache, kill_tables  # noqa: E402
from fault_trials.trials import Outcome, Trial, run_trials  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402

from mmseg_ext import stack  # noqa: E402
from mmseg_ext.progress import ProgressDisplay  # noqa: E402

MAX_FAILURES = 50
"""Failures that are printed."""


@dataclass
class Kind:
    """One kind of fault.

    Attributes:
        what: For the table.
        make: Makes the trial; gets a folder that stays between its trials.
        count: Trials at full size.
        quick: Trials with ``--quick``.
    """

    what: str
    make: Callable[[Path], Trial]
    count: int
    quick: int


def _argument_trial(folder: Path) -> Trial:
    from fault_trials.arguments import try_argument  # imports the stack, which is to be made safe first

    return try_argument


KINDS = {
    "checkpoints": Kind("changed and forged checkpoints, loaded", lambda folder: CheckpointTrials().load, 4000, 200),
    "configs": Kind("code in the config of a checkpoint, resumed", lambda folder: read_config, 1000, 40),
    "pointers": Kind("changed `last_checkpoint`, resumed", lambda folder: follow_pointer, 500, 20),
    "kills": Kind("kill -9 of a training run, resumed", lambda folder: TrainingKills(folder).kill, 200, 6),
    "copy-kills": Kind("kill -9 of tools/downsample.py, started again", lambda folder: CopyKills(folder).kill, 50, 2),
    "table-kills": Kind("kill -9 of extract_tables.py", lambda folder: kill_tables, 50, 2),
    "cache-kills": Kind("kill -9 of a process that fills the decoded cache", lambda folder: kill_decoded_cache, 50, 2),
    "decoded-cache": Kind("changed entries of the decoded cache", lambda folder: caches.read_decoded, 1000, 50),
    "facts-cache": Kind("changed cache of the data check", lambda folder: caches.check_data, 300, 10),
    "table-cache": Kind("changed cache of the tables", lambda folder: caches.read_tables, 300, 10),
    "images": Kind("changed images and masks, checked and loaded", lambda folder: files.read_images, 1000, 20),
    "texts": Kind("changed points, areas, statistics, configs", lambda folder: files.read_text, 3000, 120),
    "logs": Kind("changed logs, tables made", lambda folder: files.read_logs, 500, 10),
    "arguments": Kind("42 values of an argument of a component", _argument_trial, 700, 10),
    "full-disk": Kind("a full disk: training, copies, tables, caches", lambda folder: disks.fill_disk, 250, 15),
    "read-only-disk": Kind("a read-only disk: the same", lambda folder: disks.write_to_read_only_disk, 5, 5),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the trials and print the table, a row as soon as its kind is tried.

    Returns:
        1 if a trial has failed.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a minute's worth of each kind")
    parser.add_argument("--share", type=float, default=1.0, help="of the trials at full size; 1 by default")
    parser.add_argument("--only", nargs="+", choices=list(KINDS), default=list(KINDS), metavar="KIND")
    parser.add_argument("--seed", type=int, default=0, help="other changes with every number")
    arguments = parser.parse_args(argv)
    stack.prepare()
    DefaultScope.get_instance("faults", scope_name="mmseg")
    print(f"{describe_machine()}\n\n| what | tried | survived | failed |\n|---|---:|---:|---:|", flush=True)
    failures = []
    for name in arguments.only:
        outcome = run_kind(name, 0 if arguments.quick else arguments.share, arguments.seed)
        failures += outcome.failures
        survived = outcome.tried - len(outcome.failures)
        print(f"| {outcome.kind} | {outcome.tried:,} | {survived:,} | {len(outcome.failures):,} |", flush=True)
    print("", *failures[:MAX_FAILURES], sep="\n")
    return int(bool(failures))


def run_kind(name: str, share: float, seed: int) -> Outcome:
    """Run a share of the trials of one kind; 0 runs those of ``--quick``."""
    kind = KINDS[name]
    if name.endswith("-disk") and not disks.can_mount():
        return Outcome(f"{kind.what} (not tried: this system does not let it mount a small disk)")
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, ProgressDisplay(kind.what) as progress:
        trial = kind.make(Path(folder))
        shift = 0 if name.endswith("-disk") else seed * 1_000_003  # the number is the size of the disk
        count = max(kind.quick, round(share * kind.count))
        return run_trials(kind.what, lambda number: trial(number + shift), count, progress=progress)


if __name__ == "__main__":
    sys.exit(main())
