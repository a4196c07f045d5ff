"""Collect the pictures of sample predictions that runs wrote: ``<work dir>/pictures/validation/*.png``."""

import base64
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from .score_table import ScoreTable

MAX_ROWS = 8
"""Rows of a table whose pictures are shown."""
MAX_NAMES = 4
"""Pictures shown of each of them."""
MAX_BYTES = 4_000_000
"""A larger picture is left out, in bytes."""

_KINDS = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg"}


@dataclass(slots=True)
class Gallery:
    """Pictures side by side.

    Attributes:
        names: File names, one a line of pictures.
        rows: Indices of the table rows that have pictures, one a column.
        pictures: Data addresses by (name, row index).
        note: What was left out; empty where everything is shown.
    """

    names: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    pictures: dict[tuple[str, int], str] = field(default_factory=dict)
    note: str = ""


def collect_pictures(table: ScoreTable) -> Gallery:
    """Read the pictures of a table's first rows; names that most runs have come first.

    Args:
        table: The table; of a row with several runs the first one with pictures is taken.
    """
    found: dict[int, dict[str, Path]] = {}
    for index, row in enumerate(table.rows):
        for run in row.runs:
            files = _list(Path(run.work_dir) / "pictures" / "validation")
            if files:
                found[index] = files
                break
    gallery = Gallery(rows=list(found)[:MAX_ROWS])
    counts = Counter(name for index in gallery.rows for name in found[index])
    gallery.names = sorted(counts, key=lambda name: (-counts[name], name))[:MAX_NAMES]
    num_large = 0
    for index in gallery.rows:
        for name in gallery.names:
            path = found[index].get(name)
            address = read_picture(path) if path is not None else None
            if address:
                gallery.pictures[name, index] = address
            elif path is not None:
                num_large += 1
    left_out = []
    if len(found) > MAX_ROWS:
        left_out.append(f"the first {MAX_ROWS} of {len(found)} rows with pictures")
    if len(counts) > MAX_NAMES:
        left_out.append(f"{MAX_NAMES} of {len(counts)} pictures each")
    gallery.note = f"Shown: {' and '.join(left_out)}." if left_out else ""
    if num_large:
        gallery.note += f" {num_large} left out: no PNG, or over {MAX_BYTES // 1_000_000} MB."
    return gallery


def _list(folder: Path) -> dict[str, Path]:
    try:
        return {path.name: path for path in sorted(folder.glob("*.png"))}
    except OSError:
        return {}


def read_picture(path: Path) -> str | None:
    """Return a PNG or a JPEG as a data address; None where it cannot be read, is another file or too large."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return None
        content = path.read_bytes()
    except OSError:
        return None
    kind = next((kind for start, kind in _KINDS.items() if content.startswith(start)), None)
    return None if kind is None else f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
