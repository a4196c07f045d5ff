"""Values of rasters brought to those that a network was trained on: one scale for a whole run, never one a tile.

Shape suffixes: H height, W width, 3 bands.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from mmseg_ext.errors import UserError

AUTO = "auto"
PERCENTILES = (2.0, 98.0)


class ValueRange(NamedTuple):
    """The values of a raster that become 0 and 255; what lies outside is cut off."""

    low: float
    high: float


def parse_value_range(values: Sequence[str | float] | None) -> ValueRange | str | None:
    """Read a range: two numbers, 'auto', or None for none.

    Raises:
        UserError: It is neither.
    """
    if values is None or list(values) == [AUTO]:
        return None if values is None else AUTO
    try:
        low, high = map(float, values)
    except (TypeError, ValueError):
        low = high = 0.0
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        given = " ".join(map(str, values))
        raise UserError(f"Expected a value range of two numbers, LOW HIGH, such as 0 3000, or {AUTO}, got {given}.")
    return ValueRange(low, high)


def range_of_values(samples: Iterable[np.ndarray]) -> ValueRange:
    """Return the range between the 2nd and the 98th percentile of all values together."""
    values = np.concatenate([np.asarray(sample, np.float64).ravel() for sample in samples] or [np.zeros(0)])
    if not values.size:
        return ValueRange(0.0, 1.0)
    low, high = (float(value) for value in np.percentile(values, PERCENTILES))
    return ValueRange(low, high if high > low else low + 1)


def scale_values(image_HW3: np.ndarray, value_range: ValueRange | None, is_byte: bool, path: str) -> np.ndarray:
    """Bring values to those that the network was trained on.

    Args:
        image_HW3: As the raster holds them.
        value_range: What becomes 0 and 255; None leaves bytes, and the units of a network trained on others.
        is_byte: Whether the network was trained on values from 0 to 255.
        path: The raster, for the message.

    Returns:
        uint8, or float32 in the raster's units.

    Raises:
        UserError: The values are not of eight bits, and nothing says what they mean.
    """
    if value_range is not None:
        low, high = value_range
        scaled = (np.nan_to_num(image_HW3.astype(np.float32)) - np.float32(low)) * np.float32(255 / (high - low))
        scaled = np.clip(scaled, 0, 255)
        return np.rint(scaled).astype(np.uint8) if is_byte else scaled
    if not is_byte:
        return np.nan_to_num(image_HW3.astype(np.float32))
    if image_HW3.dtype != np.uint8:
        raise UserError(
            f"Expected a raster of eight bits in {path}, got {image_HW3.dtype}. Name the values that become 0 and 255: "
            f"--value-range LOW HIGH, or raster=dict(value_range=(LOW, HIGH)) in the config; --value-range {AUTO} "
            "takes the 2nd and 98th percentile of all rasters together."
        )
    return image_HW3
