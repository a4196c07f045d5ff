"""Write score tables as Markdown."""

from collections.abc import Sequence

from mmseg_ext.escaping import escape_markdown

from .score_table import ScoreTable


def to_markdown(table: ScoreTable) -> str:
    """Return a table as a Markdown page: headline, table, notes, per-class numbers where they are asked for."""
    lines = [
        f"# {escape_markdown(table.dataset)} scores",
        "",
        f"{escape_markdown(table.headline)}. {_legend(table)}",
        "",
    ]
    titles = ["#", *(escape_markdown(column.title) for column in table.columns)]
    body = [
        [str(rank), *(_cell(column.key, column.cell(row)) for column in table.columns)]
        for rank, row in enumerate(table.rows, 1)
    ]
    lines += _table(titles, [True, *(column.is_number for column in table.columns)], body)
    for remarks in (table.findings, table.notes):
        if remarks:
            lines += ["", *(f"- {escape_markdown(remark)}" for remark in remarks)]
    if table.options.per_class:
        lines += _class_tables(table)
    return "\n".join(lines) + "\n"


def _legend(table: ScoreTable) -> str:
    text = "Metrics in percent; all but the best are those of the last evaluation."
    if any("n" in row.values for row in table.rows):
        text += " mean \u00b1 sample standard deviation over runs."
    if any(column.key == "unfair" for column in table.columns):
        other = "the baseline" if table.options.baseline else "the first row"
        text += f" A row with an entry under \u201cdiffers in\u201d is no fair comparison with {other}: see below."
    if any(row.bounds for row in table.rows):
        text += " In brackets: 95 % intervals over images, see docs/intervals.md."
    return text


def _class_tables(table: ScoreTable) -> list[str]:
    lines: list[str] = []
    for kind in table.class_kinds():
        lines += ["", f"## {escape_markdown(kind)} per class, last evaluation, numbers of the rows above", ""]
        with_scores = [(rank, row) for rank, row in enumerate(table.rows, 1) if kind in row.class_scores]
        titles = ["class", *(f"#{rank}" for rank, _ in with_scores)]
        body = [
            [escape_markdown(name), *(row.class_cell(kind, name) for _, row in with_scores)]
            for name in table.class_names(kind)
        ]
        lines += _table(titles, [False, *(True for _ in with_scores)], body)
    if not lines:
        lines = ["", "No per-class numbers in these logs."]
    return lines


def _table(titles: Sequence[str], is_number: Sequence[bool], body: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(titles, *body, strict=True)]
    rule = ["-" * (max(width, 3) - 1) + (":" if right else "-") for width, right in zip(widths, is_number, strict=True)]
    lines = [_line(titles, widths, is_number), "| " + " | ".join(rule) + " |"]
    return lines + [_line(cells, widths, is_number) for cells in body]


def _line(cells: Sequence[str], widths: Sequence[int], is_number: Sequence[bool]) -> str:
    padded = [
        cell.rjust(max(width, 3)) if right else cell.ljust(max(width, 3))
        for cell, width, right in zip(cells, widths, is_number, strict=True)
    ]
    return "| " + " | ".join(padded) + " |"


def _cell(key: str, text: str) -> str:
    if key in ("config", "run") and text and not set("`\\") & set(text):
        return "`" + " ".join(text.replace("|", "\\|").split()) + "`"
    return escape_markdown(text)
