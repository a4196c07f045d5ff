"""What grounds are textured with: noise and waves, float32."""

import numpy as np


def pixel_noise(rng: np.random.Generator, size: int) -> np.ndarray:
    """Independent noise of each pixel (size, size), bell-shaped, about -1 to 1."""
    total = rng.integers(0, 256, (4, size, size), np.uint8).sum(axis=0, dtype=np.int32)
    return (total - 510).astype(np.float32) / 400


def smooth_noise(rng: np.random.Generator, positions: np.ndarray, num_nodes: int) -> np.ndarray:
    """Noise of one scale, about -1 to 1: a quadratic B-spline over a random lattice.

    Args:
        rng: Draws the lattice.
        positions: Where the noise is wanted in each direction, (N,), in cells of the lattice, float32.
        num_nodes: Nodes of the lattice in each direction, at least 3 more than the largest position rounded down.

    Returns:
        The noise (N, N).
    """
    lattice = rng.integers(-1024, 1025, (num_nodes, num_nodes)).astype(np.float32) / 640
    index = positions.astype(np.int64)
    part = positions - index  # float64 from here to the sum
    rest = 1 - part
    weights = (rest * rest / 2, part * rest + 0.5, part * part / 2)
    rows = sum(lattice[index + k] * weights[k][:, None] for k in range(3))
    return np.asarray(sum(rows[:, index + k] * weights[k][None, :] for k in range(3)), np.float32)


def ridges(phase: np.ndarray) -> np.ndarray:
    """A wave of period 1 from -1 to 1 with round crests and sharp troughs."""
    part = 2 * (phase - np.floor(phase)) - 1
    return 1 - 2 * part * part
