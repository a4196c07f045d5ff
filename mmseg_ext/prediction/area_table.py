"""How much of each class there is: areas.csv."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from mmseg_ext.escaping import csv_cell, csv_text, printable

HEADER = ("file", "class", "pixels", "percent", "hectares")


class ClassCounts(NamedTuple):
    """The pixels of each class in one file.

    Attributes:
        name: What the file is called in the table.
        counts: Pixels of each class.
        square_metres: Of a pixel; None where the map has no metric plane.
    """

    name: str
    counts: Sequence[int]
    square_metres: float | None


def format_areas(files: Iterable[ClassCounts], names: Sequence[str]) -> str:
    """Write the table: a row for each file and class, percent of the pixels that have data, hectares where known."""
    rows: list[Sequence[Any]] = [HEADER]
    for name, counts, square_metres in files:
        total = sum(counts)
        for class_name, count in zip(names, counts, strict=True):
            percent = f"{100 * count / total:.4f}" if total else ""
            hectares = "" if square_metres is None else f"{count * square_metres / 1e4:.4f}"
            rows.append([csv_cell(printable(name)), csv_cell(printable(class_name)), count, percent, hectares])
    return csv_text(rows)


def square_metres_of_pixel(crs: Any, transform: Any) -> float | None:
    """Return the area of a pixel in square metres, by the plane of the map.

    Args:
        crs: rasterio's, or None.
        transform: From pixels to the map.

    Returns:
        None where the map is in degrees or its unit is not known, and for Mercator's projection: its metres are longer
        the further from the equator, twice as long at 60°.
    """
    if crs is None or not crs.is_projected:
        return None
    projection = crs.to_dict().get("proj", "") if crs.to_epsg() != 3857 else "merc"
    if projection in ("merc", "webmerc"):
        return None
    factor = crs.linear_units_factor[1]
    return abs(transform.determinant) * factor**2
