"""A dataset of three images."""

import pytest
from checked_datasets import labels, write_image, write_mask


@pytest.fixture
def root(tmp_path):
    """Three good images with index masks."""
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    for i in range(3):
        write_image(tmp_path / "images" / f"{i}.jpg")
        write_mask(tmp_path / "masks" / f"{i}.png", labels(i, 255))
    return tmp_path
