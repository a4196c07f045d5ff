"""How fast score tables are made: first pass, second pass, one changed file, ``--help``; and a plain reader beside it.

Usage: ``python benchmarks/tables.py [--runs 1000] [--repeats 5] [--stock-metric]``

Generates runs of 160k iterations, about 1 MB of logs each (text log and scalars.json, 150 classes, ten evaluations),
in a temporary folder that is deleted at the end. Every measurement is the whole command in a process of its own, the
files in the page cache; medians are printed. The plain reader parses every JSON line and searches every text line with
regular expressions, which is what one would write first; it reads a part of the runs and does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "tables"), str(ROOT / "benchmarks")]

from comparison import more_is_better, publish  # noqa: E402

STEPS = 160_000
NUM_CLASSES = 150


def make_logs(folder: Path, num_runs: int, with_class_scalars: bool = True) -> int:
    """Generate the runs; returns the bytes of their logs."""
    from made_logs import MadeRun

    classes = [f"class number {index}" for index in range(NUM_CLASSES)]
    parameters = [(64, 64, 3, 3), (64,)] * 60
    size = 0
    for index in range(num_runs):
        every = STEPS // 10
        scores = [(step, round(30 + index % 17 + 10 * step / STEPS, 2)) for step in range(every, STEPS + 1, every)]
        run = MadeRun(
            name=f"upernet_dinov2-vit{index % 5}_1xb4-160k_loveda-512x512-{index}",
            scores=scores,
            max_steps=STEPS,
            first_step=100,
            last_step=STEPS,
            interval=100,
            val_interval=every,
            classes=classes,
            with_class_scalars=with_class_scalars,
            num_progress_lines=20,
            seed=index,
            parameters=parameters,
        )
        work_dir = run.write(folder)
        for path in work_dir.rglob("*"):
            if path.suffix in (".log", ".json"):
                size += path.stat().st_size
        if (index + 1) % 100 == 0:
            print(f"\rgenerated {index + 1} of {num_runs} runs", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return size


def measure(command: Sequence[str], cache: Path) -> tuple[float, float, float]:
    """Run a command; returns its wall time in s, its processor time in s and its largest memory in MB."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def read_plainly(work_dirs: Sequence[Path]) -> tuple[float, int]:
    """Read runs line by line; returns the processor time in s and the bytes read."""
    train = re.compile(r"Iter\(train\) +\[ *(\d+)/(\d+)\].* time: ([\d.]+).* memory: (\d+)")
    val = re.compile(r"Iter\(val\) +\[ *\d+/\d+\] .*mIoU: ([\d.]+)")
    start = time.process_time()
    size = 0
    for work_dir in work_dirs:
        for path in work_dir.rglob("scalars.json"):
            text = path.read_text()
            size += len(text)
            rows = [json.loads(line) for line in text.splitlines()]
            max((row["mIoU"] for row in rows if "mIoU" in row), default=None)
        for path in work_dir.rglob("*.log"):
            text = path.read_text()
            size += len(text)
            for line in text.splitlines():
                train.search(line) or val.search(line)
    return time.process_time() - start, size


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="generated runs")
    parser.add_argument("--repeats", type=int, default=5, help="measurements; their median counts")
    parser.add_argument(
        "--stock-metric",
        action="store_true",
        help="per-class numbers in the text logs alone, as mmseg's metric has them",
    )
    arguments = parser.parse_args(argv)
    print(
        f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, rich {version('rich')}, "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}"
    )
    with tempfile.TemporaryDirectory(prefix="tables-") as temporary:
        folder = Path(temporary)
        logs, cache, out = folder / "work_dirs", folder / "cache", folder / "out"
        size = make_logs(logs, arguments.runs, not arguments.stock_metric)
        command = ["extract_tables.py", str(logs), "--out", str(out)]
        print(f"{arguments.runs} runs, {size / 1e6:.0f} MB of logs, medians of {arguments.repeats}")
        first, second, changed, helps = [], [], [], []
        measure([*command, "--no-cache"], cache)
        for _ in range(arguments.repeats):
            shutil.rmtree(cache, ignore_errors=True)
            first.append(measure(command, cache))
            second.append(measure(command, cache))
            path = next(logs.rglob("scalars.json"))
            path.write_text(path.read_text().replace('"mIoU": ', '"mIoU": 9', 1))
            changed.append(measure(command, cache))
            if "9" not in (out / "loveda_scores.md").read_text():
                raise SystemExit("the changed file was not read again")
            helps.append(measure(["extract_tables.py", "--help"], cache))
        plain_seconds, plain_size = read_plainly(sorted(logs.iterdir())[: max(1, arguments.runs // 20)])
        _report("first pass", first, size)
        _report("second pass, nothing changed", second)
        _report("second pass, one file changed", changed)
        _report("--help", helps)
        first_pass = statistics.median(processor for _, processor, _ in first)
        rates = (size / first_pass / 1e6, plain_size / plain_seconds / 1e6)
        publish(more_is_better("tables: first pass, whole", *rates, "MB/s", against="plain reader"))
        print(f"{'plain reader, reading alone':<30} {plain_size / plain_seconds / 1e6:7.0f} MB/s of processor time")
        in_process(logs, folder / "cache2", size)
        print(f"{'yardstick: bytes.translate':<30} {yardstick():7.0f} MB/s of processor time")
    return 0


def _report(name: str, measured: Sequence[tuple[float, float, float]], size: int = 0) -> None:
    seconds = statistics.median(item[0] for item in measured)
    processor = statistics.median(item[1] for item in measured)
    memory = statistics.median(item[2] for item in measured)
    rate = f", {size / seconds / 1e6:.0f} MB/s ({size / processor / 1e6:.0f} of processor time)" if size else ""
    print(f"{name:<30} {seconds:7.3f} s ({processor:.3f} s of processor time), {memory:.0f} MB of memory{rate}")


def yardstick() -> float:
    """Return how fast this machine deletes digits from bytes just now, in MB/s: a busy one has a third of its speed."""
    content = b'{"lr": 0.0009977721683937007, "loss": 1.0395889699459075, "iter": 100}\n' * 100_000
    rates = []
    for _ in range(9):
        start = time.process_time()
        content.translate(None, b"0123456789.+-")
        rates.append(len(content) / (time.process_time() - start) / 1e6)
    return statistics.median(rates)


def in_process(logs: Path, cache: Path, size: int) -> None:
    """Print where the time of a first pass goes."""
    from mmseg_ext.tables.row_cache import RowCache
    from mmseg_ext.tables.run_reading import read_runs
    from mmseg_ext.tables.table_making import make_tables

    start = time.process_time()
    known = RowCache([logs], folder=cache)
    runs = read_runs([logs], cache=known)
    read = time.process_time()
    make_tables(runs)
    rate = f"{size / (read - start) / 1e6:.0f} MB/s"
    print(f"{'of it reading and merging':<30} {read - start:7.3f} s of processor time, {rate}")
    print(f"{'of it making rows':<30} {time.process_time() - read:7.3f} s of processor time")


if __name__ == "__main__":
    raise SystemExit(main())
