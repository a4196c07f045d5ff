"""Every benchmark of the project, one after the other, and one table of all: ``make bench``.

Usage: ``python benchmarks/run.py [--only pipeline points] [--json FILE]``

Each runs in a process of its own, at a size that ends within minutes, and says more when it is run by itself. The table
says what is compared, both figures, by how many times ours is better (≥), or how many times what cannot be undercut it
needs (≤), the mark that is set, and whether it is met.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))

from comparison import ROWS_FILE, Row, describe_machine, format_rows  # noqa: E402

BENCHMARKS = {
    "apply.py": ["--sizes", "4096x4096", "--side", "1920", "--images", "100", "--repeats", "1"],
    "areas.py": ["--budgets", "20", "--folds", "0"],
    "intervals.py": ["--only", "cost"],
    "pipeline.py": ["--quick"],
    "deformable_attention.py": ["--images", "1", "--repeats", "3"],
    "dino.py": ["--repeats", "3"],
    "eomt.py": ["--repeats", "5"],
    "downsample.py": ["--images", "150", "--factors", "4", "--repeats", "3"],
    "features.py": ["--size", "512", "--images", "500", "--repeats", "3"],
    "points.py": ["--repeats", "3"],
    "prediction.py": ["--sizes", "32x43:512x683:512x683", "--repeats", "2"],
    "regularizers.py": ["--classes", "21", "--repeats", "3"],
    "source_size.py": ["--images", "4", "--batches", "12", "--steps", "2", "--repeats", "1"],
    "tables.py": ["--runs", "100", "--repeats", "3"],
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run them and print the table.

    Returns:
        The worst of their statuses.
    """
    names = [Path(script).stem for script in BENCHMARKS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--json", type=Path, help="file to keep the rows in")
    arguments = parser.parse_args(argv)
    machine = describe_machine()
    worst = 0
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        rows_file = Path(folder) / "rows.jsonl"
        rows_file.touch()
        for script, options in BENCHMARKS.items():
            if Path(script).stem not in arguments.only:
                continue
            print(f"== {' '.join([script, *options])}", flush=True)
            command = [sys.executable, str(FOLDER / script), *options]
            environment = {**os.environ, ROWS_FILE: str(rows_file)}
            worst = max(worst, abs(subprocess.run(command, env=environment, check=False).returncode))
        rows = [Row(**json.loads(line)) for line in rows_file.read_text(encoding="utf-8").splitlines()]
    print(f"\n{machine}\n{format_rows(rows)}")
    if arguments.json:
        kept = [{**row._asdict(), "met": row.met} for row in rows]
        arguments.json.write_text(json.dumps({"machine": machine, "rows": kept}, indent=2) + "\n", encoding="utf-8")
    return worst


if __name__ == "__main__":
    sys.exit(main())
