"""Which bands of a raster are red, green and blue."""

from collections.abc import Sequence
from typing import Any

from mmseg_ext.errors import UserError

COLORS = ("red", "green", "blue")


def choose_bands(raster: Any, bands: Sequence[str | int] | None = None) -> tuple[int, ...]:
    """Choose the bands of a raster.

    Args:
        raster: Opened by rasterio.
        bands: Red, green and blue, or a single one for all three: numbers from 1, or names as the raster gives them in
            its descriptions or colour interpretations. None finds the bands that are named red, green and blue; without
            names one or three bands are taken as they are.

    Returns:
        Three numbers from 1.

    Raises:
        UserError: There is no such band, or it is not clear which bands are meant.
    """
    interpretations = [kind.name for kind in raster.colorinterp]
    descriptions = [(text or "").strip().lower() for text in raster.descriptions]
    if bands is not None:
        if len(bands) not in (1, 3):
            raise UserError(f"Expected one band or three, red, green, blue, got {' '.join(map(str, bands))}.")
        chosen = [_find(raster.name, band, interpretations, descriptions) for band in bands]
        return tuple(chosen * (3 // len(chosen)))
    for names in (interpretations, descriptions):
        if all(color in names for color in COLORS):
            return tuple(names.index(color) + 1 for color in COLORS)
    colors = [index for index, kind in enumerate(interpretations, start=1) if kind != "alpha"]
    if len(colors) in (1, 3):
        return tuple(colors * (3 // len(colors)))
    raise UserError(
        f"Expected one band or three, or bands named red, green and blue, in {raster.name}, got "
        f"{_listed(interpretations, descriptions)}. Name them: --bands RED GREEN BLUE, by number or name."
    )


def _find(path: str, band: str | int, interpretations: list[str], descriptions: list[str]) -> int:
    text = str(band).strip().lower()
    if text.isdecimal() and 1 <= int(text) <= len(interpretations):
        return int(text)
    for names in (descriptions, interpretations):
        if text in names:
            return names.index(text) + 1
    raise UserError(
        f"Expected bands of {path}, which has {_listed(interpretations, descriptions)}, got {band!r} in --bands."
    )


def _listed(interpretations: list[str], descriptions: list[str]) -> str:
    names = (description or kind for kind, description in zip(interpretations, descriptions, strict=True))
    return ", ".join(f"{number} ({name})" for number, name in enumerate(names, start=1))
