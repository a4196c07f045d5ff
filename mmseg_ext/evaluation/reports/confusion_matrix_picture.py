"""A confusion matrix as a picture.

Shape suffixes: C classes (truth in rows, prediction in columns).
"""

import io
import warnings
from collections.abc import Sequence

import numpy as np

from mmseg_ext.escaping import printable

MAX_CLASSES = 30
"""More classes than these are too many to read; the rest are drawn as one."""

_MAX_NAME = 24


def largest_confusions(
    confusion_CC: np.ndarray, classes: Sequence[str], max_classes: int = MAX_CLASSES
) -> tuple[np.ndarray, list[str]]:
    """Keep the classes that have most part in the errors, in their order, and merge the others into one.

    Args:
        confusion_CC: Pixels, int64.
        classes: Their names.
        max_classes: How many to keep; of one class more, too, all are left as they are.

    Returns:
        The smaller matrix and its names; the last one is '(118 others)' where classes were merged.

    Example:
        >>> matrix, names = largest_confusions(np.diag([5, 4, 3]) + np.eye(3, k=1, dtype=int), "abc", 1)
        >>> names, matrix.tolist()
        (['b', '(2 others)'], [[4, 1], [1, 8]])
    """
    names = list(classes)
    if len(names) <= max_classes + 1:
        return confusion_CC, names
    wrong_C = confusion_CC.sum(0) + confusion_CC.sum(1) - 2 * np.diag(confusion_CC)
    kept = np.sort(np.argsort(-wrong_C, kind="stable")[:max_classes])
    place_C = np.full(len(names), max_classes)
    place_C[kept] = np.arange(max_classes)
    merged = np.zeros((max_classes + 1, max_classes + 1), np.int64)
    np.add.at(merged, (place_C[:, None], place_C[None, :]), confusion_CC)
    return merged, [*(names[i] for i in kept), f"({len(names) - max_classes} others)"]


def _short(number: int) -> str:
    """Write a number of pixels in at most five characters."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            value = number / size
            return f"{value:.0f}{letter}" if value >= 99.5 else f"{value:.3g}{letter}"
    return str(number)


def draw_confusion_matrix(confusion_CC: np.ndarray, classes: Sequence[str], title: str = "") -> bytes:
    """Draw a confusion matrix.

    A row is a true class, and its cells say in percent what its pixels were taken for: dark cells off the diagonal are
    frequent confusions. Percent stand in the cells, shares below 0.5 % are left empty; pixels stand beside the class's
    name. A class without labelled pixels is an empty row. Of many classes those with most errors are drawn, see
    :func:`largest_confusions`.

    Args:
        confusion_CC: Pixels, int64.
        classes: Their names, in any script.
        title: Above the picture.

    Returns:
        A PNG.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    matrix_CC, names = largest_confusions(confusion_CC, classes)
    names = list(map(printable, names))
    names = [name if len(name) <= _MAX_NAME else name[: _MAX_NAME - 1] + "…" for name in names]
    pixels_C = matrix_CC.sum(1)
    percent_CC = 100 * matrix_CC / np.maximum(pixels_C, 1)[:, None]
    cell = 0.42  # inches
    side = max(cell * len(names), 2.0)
    figure = Figure(figsize=(side + 3.6, side + 2.4), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(percent_CC, cmap="Blues", vmin=0, vmax=100)
    for row, column in np.argwhere(percent_CC >= 0.5):
        percent = percent_CC[row, column]
        ink = "white" if percent > 55 else "black"
        axes.text(column, row, f"{percent:.0f}", ha="center", va="center", fontsize=8, color=ink)
    ticks = range(len(names))
    rows = [f"{name}  {_short(int(n))}" for name, n in zip(names, pixels_C, strict=True)]
    axes.set_xticks(ticks, names, rotation=60, ha="right", rotation_mode="anchor", fontsize=9, parse_math=False)
    axes.set_yticks(ticks, rows, fontsize=9, parse_math=False)
    axes.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="0.88", linewidth=0.5)
    axes.tick_params(which="both", length=0)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class, labelled pixels")
    axes.set_title(title, fontsize=11, parse_math=False)
    figure.colorbar(image, shrink=0.6, label="% of the true class")
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a script that matplotlib's font lacks
        FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()
