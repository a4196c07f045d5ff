"""A score table of one dataset, and what it shows."""

from dataclasses import dataclass, field

from .columns import Column, Row
from .dataset_names import file_name
from .row_selection import name_rows


@dataclass(frozen=True, slots=True)
class TableOptions:
    """What the tables show.

    Attributes:
        metric: The metric of ``best`` and ``last``.
        sort: Column to order by, ``-`` before it for the opposite order.
        group: ``seed`` or ``fold``: one row for runs that differ in that alone; empty: one row a run.
        per_class: Show per-class numbers of the last evaluation.
        baseline: Config to show differences from; empty for none.
        filters: Conditions that every row has to meet.
        image_groups: What intervals take for alike: ``folder``, ``image``, or a regular expression; see
            :mod:`mmseg_ext.scores.image_groups`.
    """

    metric: str = "mIoU"
    sort: str = "best"
    group: str = ""
    per_class: bool = False
    baseline: str = ""
    filters: tuple[str, ...] = ()
    image_groups: str = "folder"


@dataclass(slots=True)
class ScoreTable:
    """One table, ready to be written.

    Attributes:
        dataset: Short name of the dataset.
        columns: The columns that hold something.
        rows: The rows, best first.
        options: What it shows.
        notes: Lines below the table: unfair comparisons, files with lines that do not parse.
        findings: Lines below the table: which differences are real.
        reference: The row of the baseline; None without one.
    """

    dataset: str
    columns: list[Column]
    rows: list[Row]
    options: TableOptions
    notes: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    reference: Row | None = None

    @property
    def file_stem(self) -> str:
        """Start of the table's file names, such as ``ade20_scores``."""
        return f"{file_name(self.dataset) or 'unknown'}_scores"

    @property
    def headline(self) -> str:
        """One line that says how many runs there are and how they are ordered."""
        count = sum(len(row.runs) for row in self.rows)
        runs = f"{count} run{'s' if count != 1 else ''}"
        sort = self.options.sort
        order = f"by {sort} {self.options.metric}" if sort in ("best", "last") else f"by {sort}"
        return f"{runs}, best first {order}" if not sort.startswith("-") else f"{runs}, ordered {order}"

    def row_names(self) -> list[str]:
        """Name each row by its config, and by its run too where several rows share the config."""
        return name_rows(self.rows)

    def class_kinds(self) -> list[str]:
        """Return the kinds of per-class numbers that some row has, such as IoU and Acc."""
        return list(dict.fromkeys(kind for row in self.rows for kind in row.class_scores))

    def class_names(self, kind: str) -> list[str]:
        """Return the classes of a kind, in the order of the logs."""
        return list(dict.fromkeys(name for row in self.rows for name in row.class_scores.get(kind, {})))
