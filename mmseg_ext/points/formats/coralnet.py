"""Points as CoralNet exports them: CSV with the columns Name, Row, Column and Label (or Label code)."""

from collections.abc import Set
from pathlib import Path

from mmseg_ext.points.csv_tables import CsvTable
from mmseg_ext.points.formats.marks import Mark, Marks, only_label, read_number


def read_coralnet(path: Path, text: str, header: Set[str]) -> Marks:
    """Read the annotations; rows and columns count from 0, as CoralNet has done since 2020.

    Raises:
        UserError: A line is not of the format.
    """
    label_column = "label" if "label" in header or "label code" not in header else "label code"
    table = CsvTable(path, text, ("name", "row", "column", label_column))
    found = Marks()
    for line, cells in table:
        name, row, column, label = (cells[position] for position in table.columns)
        where = f"line {line}"
        if not label.strip():
            found.left_out["point without a label"] += 1
            continue
        # The corner of the pixel: whole numbers stay those of the pixel.
        x, y = read_number(column, path, where, "Column"), read_number(row, path, where, "Row")
        found.marks.append(Mark(name, x, y, only_label(label, path, where), where))
    return found
