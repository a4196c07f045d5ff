"""What to type next, after a run."""

import os
import shlex
import shutil
import sys
from pathlib import Path

from mmseg_ext.stack.own_checkpoints import best_checkpoint, file_name


def python_command() -> str:
    """Name the running Python as one types it here: 'python' where that is the one, else its path."""
    found = shutil.which("python")
    if found is not None and Path(found).absolute() == Path(sys.executable).absolute():
        return "python"
    path = os.path.relpath(sys.executable)  # not resolved: a virtual environment's Python is a link
    return shlex.quote(sys.executable if path.startswith(os.pardir) else path)


def short_path(path: str | Path) -> str:
    """Shorten a path below the current folder to a relative one."""
    try:
        return str(Path(path).resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def command_to_test(work_dir: str | Path, config: str | None) -> str:
    """Return the command that tests a run's best checkpoint, its last one where no best is kept.

    Args:
        work_dir: The run's.
        config: The file that the run was started with; None where that is not known. The run's own copy in the work
            dir, which holds the command's --cfg-options too, goes before it.
    """
    work_dir = Path(work_dir)
    best = best_checkpoint(work_dir)
    last = work_dir / "last_checkpoint"
    named = (
        str(work_dir / file_name(last.read_text(encoding="utf-8", errors="replace")))
        if last.is_file()
        else "CHECKPOINT"
    )
    checkpoint = str(best) if best else named
    dumped = work_dir / Path(config or "CONFIG").name
    config = str(dumped) if dumped.is_file() else config or "CONFIG"
    return f"{python_command()} tools/test.py {shlex.quote(short_path(config))} {shlex.quote(short_path(checkpoint))}"


def command_to_compare(work_dir: str | Path) -> str:
    """Return the command that compares a run with the others beside it."""
    return f"{python_command()} extract_tables.py {shlex.quote(short_path(Path(work_dir).parent))}"
