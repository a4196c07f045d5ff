"""What an exported model needs beside its graph, as an entry of the ONNX file.

The file may come from anywhere: the entry holds data alone, and each value is checked when it is read.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from mmseg_ext.arguments import ArgumentError, PositiveInt, Rule, checked
from mmseg_ext.errors import UserError
from mmseg_ext.files import parse_json

KEY = "mmseg_ext"
FORMAT = 1
RESIZE_STEPS = ("Resize", "ResizeToMultiple", "ResizeShortestEdge")
"""The transforms of mmseg that an exported model may ask for; no other is built from a file."""


def _is_resize_step(step: Mapping[str, Any]) -> bool:
    """Whether a step is one of :data:`RESIZE_STEPS`, with numbers, words and lists of numbers as arguments."""
    values = [item for key, value in step.items() if key != "type" for item in _items(value)]
    return step.get("type") in RESIZE_STEPS and all(isinstance(item, bool | int | float | str) for item in values)


def _items(value: Any) -> list:
    return list(value) if isinstance(value, list | tuple) else [value]


Pair = Annotated[list[PositiveInt], Rule("two positive ints", lambda value: len(value) == 2)]
Margins = Annotated[list[int], Rule("two ints, 0 or more", lambda value: len(value) == 2 and min(value) >= 0)]
Color = Annotated[list[int], Rule("three ints in 0..255", lambda v: len(v) == 3 and 0 <= min(v) <= max(v) <= 255)]
Step = Annotated[dict, Rule(f"a dict with a `type` of {', '.join(RESIZE_STEPS)}, and numbers", _is_resize_step)]
Slide = Annotated[dict[str, Pair], Rule("a dict of crop_size and stride", lambda v: set(v) == {"crop_size", "stride"})]
Names = Annotated[list[str], Rule("a list of names", len)]


@checked
@dataclass
class OnnxSettings:
    """What tools/predict.py needs to apply an exported model as its checkpoint would be applied.

    Attributes:
        names: The names of the classes.
        palette: Their colours, RGB.
        threshold: Of one sigmoid channel; the graph's output is shifted so that it lies at 0.5. None for several
            channels.
        window: Height and width of the windows of rasters.
        overlap: Pixels that two windows share, along both axes.
        is_fixed: Whether the graph takes images of the size of a window only.
        fill: Value of pixels without data, RGB.
        is_byte: Whether the training images had eight bits.
        resize: The steps of the test pipeline that resize an image.
        slide: ``crop_size`` and ``stride`` of a test in sliding windows; None where images go whole.
        align_corners: Of the resizing of logits.

    Raises:
        UserError: A value is not what it should be.
    """

    names: Names
    palette: list[Color]
    threshold: float | None
    window: Pair
    overlap: Margins
    is_fixed: bool
    fill: Annotated[list[float], Rule("three numbers", lambda value: len(value) == 3)]
    is_byte: bool
    resize: list[Step]
    slide: Slide | None
    align_corners: bool

    def to_json(self) -> str:
        """Write the settings."""
        return json.dumps({"format": FORMAT, **asdict(self)})


def read_settings(entries: Mapping[str, str], path: str) -> OnnxSettings:
    """Read the settings of an ONNX file.

    Args:
        entries: The file's metadata.
        path: The file, for messages.

    Raises:
        UserError: tools/export.py did not write the file, or another version did.
    """
    if KEY not in entries:
        raise UserError(
            f"Expected an ONNX file that tools/export.py wrote, got {path}, which names neither classes nor colours. "
            "Export the run: python tools/export.py MODEL --out model.onnx."
        )
    try:
        found = parse_json(entries[KEY])
        if not isinstance(found, dict) or found.pop("format", None) != FORMAT:
            raise ValueError(f"its entry {KEY} is of another format than {FORMAT}")
        settings = OnnxSettings(**found)
        if len(settings.palette) != len(settings.names):
            raise ValueError(f"{len(settings.palette)} colours for {len(settings.names)} classes")
    except (ArgumentError, ValueError) as error:
        raise UserError(
            f"Expected an ONNX file of this version of mmseg_ext, got {path}: {error}. Export the run again."
        ) from error
    return settings
