"""Scores of evaluations as a table on the screen."""

from rich.table import Table
from rich.text import Text

from mmseg_ext.escaping import printable


def result_table(
    last: dict[str, float],
    last_iteration: int | None = None,
    best: dict[str, float] | None = None,
    best_iteration: int | None = None,
) -> Table:
    """Lay out the scores of the last evaluation, and beside them those of the best, class by class.

    Args:
        last: Scores in percent, as the evaluator returned them; ``IoU.<class>`` and ``Acc.<class>`` make class rows. A
            metric's prefix, as in ``seg/mIoU``, is left out where no score is called mIoU.
        last_iteration: When.
        best: The same of the best evaluation.
        best_iteration: When.
    """
    sides = [("last" if last_iteration is None else f"last, at {last_iteration:,}", last)]
    if best is not None and best_iteration != last_iteration:
        sides.insert(0, (f"best, at {best_iteration:,}", best))
    if last_iteration is None:
        sides = [("", last)]
    table = Table(box=None, pad_edge=False)
    table.add_column("class")
    for title, _ in sides:
        table.add_column(f"IoU {title}".strip(), justify="right")
        table.add_column("Acc", justify="right")
    if "mIoU" not in last:
        prefix = next((key.removesuffix("mIoU") for key in last if key.endswith("/mIoU")), "")
        sides = [(title, {key.removeprefix(prefix): v for key, v in scores.items()}) for title, scores in sides]
        last = sides[-1][1]
    classes = [key.removeprefix("IoU.") for key in last if key.startswith("IoU.")]
    rows = [(name, f"IoU.{name}", f"Acc.{name}") for name in classes]
    rows.append(("mean", "mIoU", "mAcc"))
    for name, iou, acc in rows:
        cells = [f"{scores.get(key, float('nan')):.2f}" for _, scores in sides for key in (iou, acc)]
        table.add_row(Text(printable(name)), *cells, style="bold" if name == "mean" else None)
    table.add_row("all pixels", *[c for _, s in sides for c in ("", f"{s.get('aAcc', float('nan')):.2f}")])
    return table
