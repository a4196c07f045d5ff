"""Picture files for tests."""

from pathlib import Path

import numpy as np
from PIL import Image


def save_picture_file(path: Path, pixels: np.ndarray) -> None:
    """Write pixels as they are, in the format that the path's suffix names; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
