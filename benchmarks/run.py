"""Every benchmark of the project, one after the other, at a size that ends within minutes: ``make bench``."""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
BENCHMARKS = {
    "dino.py": [],
    "points.py": [],
    "tables.py": ["--runs", "200", "--repeats", "3"],
}


def main() -> int:
    """Run them; the worst of their statuses."""
    worst = 0
    for script, arguments in BENCHMARKS.items():
        print(f"== {script} {' '.join(arguments)}", flush=True)
        worst = max(worst, subprocess.run([sys.executable, str(FOLDER / script), *arguments], check=False).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main())
