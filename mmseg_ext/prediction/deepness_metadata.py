"""The metadata that QGIS's plugin Deepness reads from an ONNX file: JSON texts by the plugin's keys."""

import json
from collections.abc import Sequence
from typing import Any

from mmseg_ext.errors import UserError

MAX_OVERLAP = 99


def deepness_metadata(
    names: Sequence[str],
    is_sigmoid: bool,
    tile_size: int,
    overlap_percent: int,
    resolution_cm: float | None = None,
) -> dict[str, str]:
    """Describe a segmentation model to Deepness.

    The plugin divides pixel values by 255, subtracts the mean and divides by the standard deviation; the exported graph
    normalises by itself, so mean 0 and deviation 1 are written. Softmax probabilities below the threshold become 0
    before the plugin takes the largest: their threshold is 0, which turns it off.

    Args:
        names: The names of the classes; background and foreground for one sigmoid channel.
        is_sigmoid: Whether the model has one channel, whose threshold is 0.5.
        tile_size: Side of a tile in pixels.
        overlap_percent: Percent of a tile that it shares with its neighbour.
        resolution_cm: Centimetres a pixel of the training images; None leaves it to the user of the plugin.

    Returns:
        JSON texts by key. The plugin reads the tile's size as `tile_size`, its documentation says `tiles_size`: both
        are there.

    Raises:
        UserError: A value is out of range.

    Reference:
        Aszkowski et al., Deepness: Deep neural remote sensing plugin for QGIS, SoftwareX 2023; version 0.6.5.
    """
    if not 0 <= overlap_percent <= MAX_OVERLAP:
        raise UserError(f"Expected an overlap of 0 to {MAX_OVERLAP} percent, got {overlap_percent}.")
    values: dict[str, Any] = {
        "model_type": "Segmentor",
        "class_names": {str(index): name for index, name in enumerate(names)},
        "tile_size": tile_size,
        "tiles_size": tile_size,
        "tiles_overlap": overlap_percent,
        "standardization_mean": [0.0, 0.0, 0.0],
        "standardization_std": [1.0, 1.0, 1.0],
        "seg_thresh": 0.5 if is_sigmoid else 0.0,
    }
    if resolution_cm is not None:
        if not 0 < resolution_cm < float("inf"):
            raise UserError(f"Expected a resolution above 0 cm a pixel, got {resolution_cm}.")
        values["resolution"] = float(resolution_cm)
    return {key: json.dumps(value) for key, value in values.items()}
