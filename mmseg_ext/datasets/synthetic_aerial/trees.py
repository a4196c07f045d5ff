"""Woods and single trees."""

import numpy as np

from mmseg_ext.datasets.synthetic_aerial.canvas import FOREST, Canvas
from mmseg_ext.datasets.synthetic_aerial.colors import mix, rgb
from mmseg_ext.datasets.synthetic_aerial.geometry import EXTENT


def plant_trees(canvas: Canvas) -> None:
    """Draw trees by the chance `canvas.trees`: one at most in each cell of a grid, a dome lit from one side.

    The ground between the crowns of a wood belongs to the wood, too.
    """
    wood = canvas.trees > 0.55
    floor = canvas.shade(canvas.full, (0.10, 0.13, 0.07), 0.1, 0.1, 0.0)
    canvas.paint(canvas.full, wood * np.float32(0.85), floor, FOREST)

    tone = canvas.between(0, 1)
    spacing = max(canvas.between(4.8, 8.2), 2.2 * canvas.pixel)
    num_cells = int(EXTENT / spacing) + 4
    draws = canvas.rng.random((6, num_cells, num_cells)).astype(np.float32)
    shift_x, shift_y, growth, lot, paleness, brightness = draws
    cells = np.arange(-1, num_cells - 1, dtype=np.float32)  # one more at each side: crowns reach into the picture
    centre_x = (cells[None, :] + shift_x) * spacing
    centre_y = (cells[:, None] + shift_y) * spacing
    column = np.clip(np.floor(centre_x / canvas.pixel), 0, canvas.size - 1).astype(np.int64)
    row = np.clip(np.floor(centre_y / canvas.pixel), 0, canvas.size - 1).astype(np.int64)
    radius = spacing * (0.42 + 0.55 * growth * growth + 0.1)
    radius = np.where(lot < canvas.trees[row, column], radius, np.float32(0))
    top, tree = _raise_crowns(canvas, spacing, centre_x, centre_y, radius)

    crown = top > 0
    dark = rgb(*mix((0.12, 0.21, 0.09), (0.20, 0.26, 0.10), tone))
    pale = rgb(*mix((0.24, 0.34, 0.14), (0.33, 0.34, 0.15), tone))
    leaves = dark + paleness.ravel()[tree][..., None] * (pale - dark)
    slope_y, slope_x = np.gradient(top, canvas.pixel)
    facing_sun = -(slope_x * canvas.sun[0] + slope_y * canvas.sun[1])
    light = 1 + 0.3 * np.clip(facing_sun, -1, 1) + 0.14 * canvas.fine
    light = light + 0.1 * canvas.grain + 0.25 * (brightness.ravel()[tree] - 0.5)
    canvas.paint(canvas.full, crown.astype(np.float32), leaves * light[..., None], FOREST)
    canvas.height = np.where(crown, np.maximum(canvas.height, top + 3), canvas.height)


def _raise_crowns(
    canvas: Canvas, spacing: float, centre_x: np.ndarray, centre_y: np.ndarray, radius: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Height of the highest crown over each pixel, 0 where there is none, and the flat index of its tree.

    Only the trees of the 3 x 3 cells around a pixel are considered: no crown reaches much farther than a cell.
    """
    num_cells = len(radius)
    cell_x = np.floor(canvas.x[0] / spacing).astype(np.int64) + 1
    cell_y = np.floor(canvas.y[:, 0] / spacing).astype(np.int64) + 1
    ragged = 1 + 0.28 * canvas.fine
    top: np.ndarray = np.zeros((canvas.size, canvas.size), np.float32)
    tree: np.ndarray = np.zeros((canvas.size, canvas.size), np.int64)
    for step_y in (-1, 0, 1):
        for step_x in (-1, 0, 1):
            cell = (cell_y + step_y)[:, None] * num_cells + (cell_x + step_x)[None, :]
            reach = radius.ravel()[cell]
            dx, dy = canvas.x - centre_x.ravel()[cell], canvas.y - centre_y.ravel()[cell]
            dome = reach - (dx * dx + dy * dy) * ragged / np.maximum(reach, 0.01)
            dome = np.where(dome > 0, dome + reach / 2, np.float32(0))
            higher = dome > top
            top = np.where(higher, dome, top)
            tree = np.where(higher, cell, tree)
    return top, tree
