"""Points as napari saves a Points layer: CSV with the columns index, axis-0, axis-1 and the layer's features.

Neither the image nor, as a rule, the class is in the file. The image is that of the column `image`; else the one that
the file is named after, as in ``a.csv``, ``a_road.csv`` and ``a road.csv`` for ``a.jpg``; else the only one. In a
stack, of three axes, the first axis numbers the sorted images. The class is that of the column `class` or `label`;
else the rest of the file's name. Whole numbers are the middles of pixels, as napari draws them.
"""

from collections.abc import Set
from pathlib import Path

from mmseg_ext.errors import UserError
from mmseg_ext.points.csv_tables import CsvTable
from mmseg_ext.points.formats.marks import ImageFrames, Mark, Marks, mark_error, only_label, read_number

CLASS_COLUMNS = ("class", "label", "labels", "category", "type")
_SEPARATORS = " _-.()[]"


def read_napari(path: Path, text: str, header: Set[str], images: ImageFrames) -> Marks:
    """Read the points of a layer.

    Raises:
        UserError: The image or the class cannot be known, or a line is not of the format.
    """
    num_axes = sum(name.startswith("axis-") for name in header)
    if num_axes not in (2, 3):
        raise UserError(f"Expected points of two axes, or of three in a stack, in {path}, got {num_axes} axes.")
    axes = [f"axis-{number}" for number in range(num_axes)]
    class_column = next((name for name in CLASS_COLUMNS if name in header), None)
    named, rest = ("", path.stem) if "image" in header or num_axes == 3 else _image_of(path, images)
    others = [name for name in (class_column, "image") if name is not None and name in header]
    table = CsvTable(path, text, (*axes, *others))
    if class_column is None and not rest:
        fix = "Add a column `class`, or name the file after the image and the class, as in IMAGE_CLASS.csv."
        raise UserError(f"Expected the class of the points in {path}, found no column for it. {fix}")
    stack, found = sorted(images.names), Marks()
    for line, row in table:
        cells, where = (
            dict(zip(table.names, (row[position] for position in table.columns), strict=True)),
            f"line {line}",
        )
        y, x = (read_number(cells[axis], path, where, axis) + 0.5 for axis in axes[-2:])
        image = cells.get("image") or named
        if num_axes == 3 and not image:
            number = round(read_number(cells[axes[0]], path, where, axes[0]))
            if not 0 <= number < len(stack):
                raise mark_error(path, where, f"{axes[0]} to number one of {len(stack)} images", str(number))
            image = stack[number]
        label = only_label(cells[class_column] if class_column else rest, path, where)
        found.marks.append(Mark(image, x, y, label, where))
    if num_axes == 3 and "image" not in header:
        found.notes.append(f"{axes[0]} is taken as the number of the image, from 0 for {stack[0]}.")
    return found


def _image_of(path: Path, images: ImageFrames) -> tuple[str, str]:
    """Find the image that a file is named after, and the rest of the file's name."""
    named = [name for name in images.names if path.stem.startswith(Path(name).stem)]
    longest = max((len(Path(name).stem) for name in named), default=0)
    named = [name for name in named if len(Path(name).stem) == longest and path.stem[longest:][:1] in f"{_SEPARATORS}"]
    if len(named) == 1:
        return named[0], path.stem[longest:].strip(_SEPARATORS)
    if len(images.names) == 1:
        return images.names[0], path.stem
    fix = "Name the file after its image, as in IMAGE.csv or IMAGE_CLASS.csv, or add a column `image`."
    raise UserError(f"Expected {path} to be named after one of {len(images.names)} images, {len(named)} fit. {fix}")
