"""One picture and its labels."""

from collections.abc import Sequence

import numpy as np

from mmseg_ext.datasets.synthetic_aerial.camera import cast_shadows, photograph
from mmseg_ext.datasets.synthetic_aerial.canvas import AGRICULTURE, Canvas
from mmseg_ext.datasets.synthetic_aerial.rural import draw_rural
from mmseg_ext.datasets.synthetic_aerial.trees import plant_trees
from mmseg_ext.datasets.synthetic_aerial.urban import draw_urban
from mmseg_ext.errors import UserError

_MAX_ATTEMPTS = 50
_SMALLEST_SHARE = 0.004  # of the pixels, for a class to count as shown


def draw_scene(scene: str, size: int, seed: Sequence[int], complete: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Draw one aerial picture and its labels.

    Args:
        scene: ``'urban'`` or ``'rural'``.
        size: Height and width in pixels.
        seed: Non-negative integers that name the picture.
        complete: Whether to show every class that the scene can hold, and no no-data border.

    Returns:
        The picture (H, W, 3), uint8 RGB, and the labels (H, W), uint8 in LoveDA's values, 0 to 7.

    Raises:
        UserError: If the scene is neither of the two.
    """
    if scene not in ("urban", "rural"):
        raise UserError(f"Expected `scene` to be 'urban' or 'rural', got {scene!r}.")
    draw_land = draw_urban if scene == "urban" else draw_rural
    wanted = range(1, AGRICULTURE) if scene == "urban" else range(1, AGRICULTURE + 1)
    for attempt in range(_MAX_ATTEMPTS):
        canvas = Canvas(np.random.default_rng([*seed, attempt]), size)
        draw_land(canvas, complete)
        plant_trees(canvas)
        areas = np.bincount(canvas.labels.ravel(), minlength=AGRICULTURE + 1)
        if not complete or all(areas[label] > _SMALLEST_SHARE * areas.sum() for label in wanted):
            break
    cast_shadows(canvas)
    return photograph(canvas, border=not complete and canvas.chance(0.2))
