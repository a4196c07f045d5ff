"""Which image and spot come next, while the model looks at one image after the other."""

from contextlib import closing

import numpy as np
import pytest
from served import CLASSES, make_images

from mmseg_ext.annotation import spot_suggestions
from mmseg_ext.annotation.image_folder import ImageFolder
from mmseg_ext.annotation.point_database import PointDatabase
from mmseg_ext.annotation.spot_suggestions import SPREAD_AN_IMAGE, SpotSuggestions
from mmseg_ext.annotation.suggestions import ImageCells, cell_positions

SIZE = (96, 128)


@pytest.fixture
def spots(tmp_path):
    folder = ImageFolder(make_images(tmp_path / "images", size=SIZE))
    with closing(PointDatabase(tmp_path / "points.sqlite", list(CLASSES))) as database:
        yield SpotSuggestions(folder, database)


def cells(seed=0):
    """Cells of two looks: the left and the right half."""
    positions = cell_positions(SIZE)
    is_right = (positions[:, 1] >= SIZE[1] // 2)[:, None]
    look = is_right + 0.01 * np.random.default_rng(seed).normal(size=(len(positions), 9))
    return ImageCells(positions, np.zeros((len(positions), 0)), look)


def click(spots, spot, label=None):
    label = int(spot["x"] >= SIZE[1] // 2) if label is None else label
    spots.database.add(spots.folder.names[spot["image"]], spot["x"], spot["y"], label)


def test_without_features_the_images_take_turns(spots):
    found = []
    for _ in range(4 * SPREAD_AN_IMAGE):
        spot = spots.next_spot(0, frozenset())
        found.append(spot["image"])
        click(spots, spot)
    assert found == np.repeat(np.arange(4), SPREAD_AN_IMAGE).tolist()


def test_fast_clicks_reach_images_that_the_model_has_not_looked_at(spots):
    spots.add_cells(0, cells())
    assert not spots.is_pooled(0)
    spots.pool(0)
    assert spots.is_pooled(0)
    found = []
    for _ in range(3 * SPREAD_AN_IMAGE):
        spot = spots.next_spot(0, frozenset())
        found.append(spot["image"])
        click(spots, spot)
    assert found[:SPREAD_AN_IMAGE] == [0] * SPREAD_AN_IMAGE
    assert set(found) >= {1, 2}


def test_spots_show_what_is_in_doubt_and_keep_off_what_is_done(spots):
    for number in range(4):
        spots.add_cells(number, cells(number))
    spots.pool(2)
    sides = []
    for _ in range(2):  # one of each look
        spot = spots.next_spot(2, frozenset())
        sides.append(spot["x"] >= SIZE[1] // 2)
        click(spots, spot)
    assert sorted(sides) == [False, True]

    for _ in range(8):
        click(spots, spots.next_spot(2, frozenset()))
    for number in range(4):  # the left half of image 3 is in doubt, all else is sure
        probabilities = np.tile(np.array([0.98, 0.02])[:, None, None], (1, 24, 32))
        if number == 3:
            probabilities[:, :, :16] = 0.5
        spots.update(number, probabilities, version=7)
        assert spots.version_of(number) == 7
    spot = spots.next_spot(2, frozenset())
    assert spot["x"] < SIZE[1] // 2
    spots.database.skip(spots.folder.names[spot["image"]], spot["x"], spot["y"])
    assert spots.next_spot(2, frozenset()) != spot

    for number in (0, 1, 3):
        spots.database.mark_done(spots.folder.names[number], True)
    assert spots.next_spot(2, frozenset())["image"] == 2
    assert spots.next_spot(2, frozenset({2})) is None
    spots.clear()
    assert spots.version_of(3) == 0


def test_the_cells_of_near_images_are_kept(spots, monkeypatch):
    monkeypatch.setattr(spot_suggestions, "KEPT_IMAGES", 2)
    monkeypatch.setattr(spot_suggestions, "NEAR_IMAGES", 3)
    assert spots.lacks_cells(3) == [3, 2, 1]
    for number in (1, 2, 3):
        spots.add_cells(number, cells(number))
        spots.update(number, np.full((2, 24, 32), 0.5), version=1)
    assert spots.lacks_cells(3) == [1]
    assert (spots.version_of(1), spots.version_of(2)) == (0, 1)
    assert spots.pool_of(3) == [3, 2]
    monkeypatch.setattr(spot_suggestions, "MAX_CELLS", 300)  # 192 an image
    assert spots.pool_of(3) == [3]
