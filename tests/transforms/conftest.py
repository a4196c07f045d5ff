"""Image files for the drop-in transforms."""

import pytest
from drop_in_pairs import write_pair


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Files in small sizes, first, and in those of ADE20K (JPEG) and LoveDA (PNG), last."""
    folder = tmp_path_factory.mktemp("pairs")
    sizes = [(40, 56), (64, 48), (33, 71), (96, 96)]
    small = [write_pair(folder, f"small{n}", *size, seed=n) for n, size in enumerate(sizes)]
    small += [write_pair(folder, "smallpng", 50, 60, seed=9, suffix=".png")]
    return {
        "small": small,
        "ade20k": [write_pair(folder, "ade", 512, 683, seed=5)],
        "loveda": [write_pair(folder, "loveda", 1024, 1024, seed=6, suffix=".png")],
    }
