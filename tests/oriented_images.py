"""Image files with an EXIF orientation, and what Pillow, as an independent reference, says that viewers show."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

ORIENTATIONS = range(1, 9)
LOSSLESS = {".jpg": {"quality": 100, "subsampling": 0}, ".webp": {"lossless": True}}
STORED_FROM_SHOWN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def pattern(height: int = 24, width: int = 40, seed: int = 0) -> np.ndarray:
    """Colours of 8 × 8 pixels each, RGB: they survive JPEG, and no turn maps them to themselves."""
    cells = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return cells.repeat(8, 0).repeat(8, 1)


def stored_pixels(shown: np.ndarray, orientation: int) -> np.ndarray:
    """The pixels that a file must hold so that viewers show others."""
    image = Image.fromarray(shown)
    return np.asarray(image if orientation == 1 else image.transpose(STORED_FROM_SHOWN[orientation]))


def save_oriented(path: Path, shown: np.ndarray, orientation: int) -> None:
    """Write a file that viewers show as given; checked by Pillow."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(stored_pixels(shown, orientation))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif, **LOSSLESS.get(path.suffix, {}))
    seen = as_viewers_show(path)
    assert seen.shape == shown.shape
    assert np.abs(seen.astype(int) - shown).max() <= (4 if path.suffix == ".jpg" else 0)


def as_viewers_show(path: Path) -> np.ndarray:
    """Decode a file with Pillow, turned by its EXIF orientation."""
    # From bytes: by its path, Pillow maps an uncompressed TIFF into memory and turns it wrongly.
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        return np.asarray(ImageOps.exif_transpose(image))
