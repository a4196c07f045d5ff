"""Points as labelme saves them: a JSON file beside each image."""

from pathlib import Path
from typing import Any

from mmseg_ext.errors import UserError
from mmseg_ext.files import read_json
from mmseg_ext.points.formats.marks import Mark, Marks, mark_error, only_label, read_number

POINT_SHAPES = ("point", "points")


def is_labelme(content: Any) -> bool:
    """Whether a JSON file is one of labelme."""
    return isinstance(content, dict) and isinstance(content.get("shapes"), list)


def read_labelme(path: Path, content: Any) -> Marks:
    """Read the points of one image.

    Raises:
        UserError: A shape is not as it should be.
    """
    found = Marks()
    image = content.get("imagePath")
    if not isinstance(image, str):
        raise mark_error(path, "imagePath", "the name of an image", repr(image))
    for number, shape in enumerate(content["shapes"], 1):
        where = f"shape {number}"
        if not isinstance(shape, dict) or not isinstance(shape.get("points"), list):
            raise mark_error(path, where, "an object with `points`", repr(shape))
        kind = shape.get("shape_type", "polygon")
        if kind not in POINT_SHAPES:
            found.left_out[str(kind)] += 1
            continue
        label = only_label(shape.get("label"), path, where)
        for place in shape["points"]:
            if not isinstance(place, list) or len(place) != 2:
                raise mark_error(path, where, "a point [x, y]", repr(place))
            x, y = (read_number(value, path, where, name) for value, name in zip(place, "xy", strict=True))
            found.marks.append(Mark(image, x, y, label, f"{path.name}, {where}"))
    return found


def read_labelme_folder(folder: Path) -> Marks:
    """Read all files of labelme in a folder and below; other JSON files are left out.

    Raises:
        UserError: There is none, or one is broken.
    """
    found, is_any = Marks(), False
    for path in sorted(folder.rglob("*.json")):
        try:
            content = read_json(path)
        except ValueError as error:
            raise UserError(f"Expected JSON in {path}, got a file that does not parse: {error}.") from error
        if is_labelme(content):
            one, is_any = read_labelme(path, content), True
            found.marks += one.marks
            found.left_out.update(one.left_out)
    if not is_any:
        raise UserError(f"Expected JSON files of labelme in the folder {folder}, found none.")
    return found
