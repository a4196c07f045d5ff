"""Points as CVAT exports them: "CVAT for images 1.1", an XML file."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from mmseg_ext.errors import UserError
from mmseg_ext.points.formats.marks import Mark, Marks, mark_error, only_label, read_number


class _Builder(ElementTree.TreeBuilder):
    """Refuses a document type: its entities could expand to any size."""

    def doctype(self, *_: Any) -> None:
        raise UserError("declares a document type, which no export of CVAT does")


def read_cvat(path: Path, content: bytes) -> Marks:
    """Read the points of all images.

    Raises:
        UserError: The file is no such XML, or is one of tracks in a video.
    """
    parser = ElementTree.XMLParser(target=_Builder())
    try:
        parser.feed(content)
        root = parser.close()
    except (ElementTree.ParseError, UserError, ValueError, LookupError) as error:
        raise UserError(f"Expected an XML file of CVAT, got {path}: {error}. Export it again.") from error
    if root.tag != "annotations" or root.find("track") is not None:
        got = "tracks of a video" if root.tag == "annotations" else f"<{root.tag}>"
        raise UserError(
            f"Expected the format 'CVAT for images 1.1' in {path}, got {got}. Export the task in that format."
        )
    found = Marks()
    for image in root.iter("image"):
        name = image.get("name", "")
        for shape in image:
            if shape.tag != "points":
                found.left_out[shape.tag] += 1
                continue
            where = f"image {name}"
            label = only_label(shape.get("label"), path, where)
            for pair in (shape.get("points") or "").split(";"):
                x, comma, y = pair.partition(",")
                if not comma:
                    raise mark_error(path, where, "points as x,y;x,y", repr(pair))
                numbers = (read_number(x, path, where, "x"), read_number(y, path, where, "y"))
                found.marks.append(Mark(name, *numbers, label, where))
    return found
