"""Labels as colours, over an image, and as points."""

import numpy as np
import pytest
from plain_pictures import GREEN, PALETTE, RED, ground

from mmseg_ext import pictures
from mmseg_ext.errors import UserError


def test_colorize_by_hand():
    labels = np.array([[0, 1, 2], [255, 2, 1]], np.uint8)
    expected = [[[10, 20, 30], RED, GREEN], [[7, 8, 9], GREEN, RED]]
    colored = pictures.colorize(labels, PALETTE, ignore_color=(7, 8, 9))
    assert colored.dtype == np.uint8
    assert colored.tolist() == expected
    assert pictures.colorize(labels, PALETTE)[1, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_colorize_takes_any_integer_and_ignore_index_inside_the_range(dtype):
    labels = np.array([[0, 1]], dtype)
    assert pictures.colorize(labels, PALETTE, ignore_index=0, ignore_color=(1, 1, 1)).tolist() == [[[1, 1, 1], RED]]


def test_colorize_takes_a_negative_ignore_index():
    assert pictures.colorize(np.array([[-1, 2]]), PALETTE, ignore_index=-1).tolist() == [[[0, 0, 0], GREEN]]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([[3]]), r"labels in 0\.\.2 \(or 255 where ignored\), got \[3\]"),
        (np.array([[-1]]), r"got \[-1\]"),
        (np.zeros((2, 2), np.float32), r"integers, got shape \(2, 2\) of float32"),
        (np.zeros((2, 2, 1), np.uint8), r"got shape \(2, 2, 1\)"),
        (np.zeros((0, 2), np.uint8), r"got shape \(0, 2\)"),
    ],
)
def test_colorize_names_bad_labels(labels, message):
    with pytest.raises(UserError, match=message):
        pictures.colorize(labels, PALETTE)


@pytest.mark.parametrize("palette", [[], [[1, 2]], [[0, 0, 256]], [[-1, 0, 0]]])
def test_bad_palette(palette):
    with pytest.raises(UserError, match=r"three integers in 0\.\.255"):
        pictures.colorize(np.zeros((1, 1), np.uint8), palette)


def test_overlay_by_hand():
    image = ground(1, 3)
    labels = np.array([[1, 255, 0]], np.uint8)
    assert pictures.overlay(image, labels, PALETTE, alpha=0.25).tolist() == [
        [[139, 75, 75], [100, 100, 100], [78, 80, 82]]  # 138.75, 75; 77.5 goes to the even 78
    ]
    np.testing.assert_array_equal(pictures.overlay(image, labels, PALETTE, alpha=0), image)
    assert pictures.overlay(image, labels, PALETTE, alpha=1)[0, 0].tolist() == RED
    assert (image == 100).all()  # the input is not changed


def test_overlay_keeps_ignored_pixels_at_any_alpha():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (9, 7, 3), np.uint8)
    labels = rng.choice([0, 1, 2, 255], (9, 7))
    picture = pictures.overlay(image, labels, PALETTE, alpha=1.0)
    np.testing.assert_array_equal(picture[labels == 255], image[labels == 255])
    np.testing.assert_array_equal(picture[labels != 255], np.array(PALETTE)[labels[labels != 255]])


@pytest.mark.parametrize("function", [pictures.overlay, pictures.draw_points, pictures.draw_labels])
def test_shapes_that_differ(function):
    with pytest.raises(UserError, match=r"height and width \(40, 60\), got \(40, 61\)"):
        function(ground(), np.zeros((40, 61), np.uint8), PALETTE)
    with pytest.raises(UserError, match=r"uint8 RGB, got shape \(40, 60, 3\) of float64"):
        function(ground() / 255, np.zeros((40, 60), np.uint8), PALETTE)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_bad_alpha(alpha):
    with pytest.raises(UserError, match="`alpha` between 0 and 1"):
        pictures.overlay(ground(), np.zeros((40, 60), np.uint8), PALETTE, alpha=alpha)


def points(height=40, width=60, **at):
    labels = np.full((height, width), 255, np.uint8)
    for row, column, label in at.get("where", ()):
        labels[row, column] = label
    return labels


def test_point_is_a_disc_with_a_light_and_a_dark_ring():
    picture = pictures.draw_points(ground(), points(where=[(20, 30, 1)]), PALETTE, radius=3)
    row = picture[20].tolist()
    assert row[27:34] == [RED] * 7
    assert row[26] == row[34] == [255, 255, 255]
    assert row[25] == row[35] == [20, 20, 20]
    assert row[24] == row[36] == [100, 100, 100]
    np.testing.assert_array_equal(picture[:, 30], picture[20, 10:50])  # round: as high as wide
    changed = (picture != 100).any(axis=-1)
    rows, columns = np.nonzero(changed)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (15, 25, 25, 35)


def test_point_is_visible_on_any_ground():
    labels = points(where=[(20, 30, 0)])
    for value in (0, 20, 128, 255):
        image = ground(value=value)
        picture = pictures.draw_points(image, labels, [[value] * 3])
        contrast = np.abs(picture.astype(int) - value).max(axis=-1)
        assert np.count_nonzero(contrast > 90) > 12


def test_radius_grows_with_the_picture():
    def reds(side):
        picture = pictures.draw_points(
            ground(side, side), points(side, side, where=[(side // 2, side // 2, 1)]), PALETTE
        )
        return np.count_nonzero((picture[side // 2] == RED).all(axis=-1))

    assert [reds(side) for side in (50, 200, 800)] == [5, 5, 21]


def test_point_at_the_corner_and_in_a_single_pixel():
    picture = pictures.draw_points(ground(), points(where=[(0, 59, 2)]), PALETTE)
    assert picture[0, 59].tolist() == GREEN
    assert (picture[:, :50] == 100).all()
    assert pictures.draw_points(ground(1, 1), np.array([[1]]), PALETTE).tolist() == [[RED]]


def test_close_points_keep_their_own_colors():
    where = [(20, 30, 1), (20, 31, 2), (20, 36, 2)]
    picture = pictures.draw_points(ground(), points(where=where), PALETTE)
    assert [picture[20, c].tolist() for c in (30, 31, 36)] == [RED, GREEN, GREEN]


def test_no_points_leave_the_picture_as_it_is():
    image = ground()
    picture = pictures.draw_points(image, points(), PALETTE)
    np.testing.assert_array_equal(picture, image)
    assert picture is not image


def test_bad_points():
    with pytest.raises(UserError, match=r"labels in 0\.\.2 .* got \[3\]"):
        pictures.draw_points(ground(), points(where=[(1, 1, 3)]), PALETTE)
    with pytest.raises(UserError, match="`radius` to be 0 or more pixels, got -1"):
        pictures.draw_points(ground(), points(), PALETTE, radius=-1)


def test_draw_labels_decides_at_two_percent():
    image = ground(50, 100)  # 5000 pixels: 100 are 2 %
    labels = np.full((50, 100), 255, np.uint8)
    labels.flat[:99] = 1
    np.testing.assert_array_equal(
        pictures.draw_labels(image, labels, PALETTE), pictures.draw_points(image, labels, PALETTE)
    )
    labels.flat[99] = 1
    picture = pictures.draw_labels(image, labels, PALETTE)
    labelled = labels == 1
    np.testing.assert_array_equal(picture[labelled], pictures.overlay(image, labels, PALETTE, alpha=0.5)[labelled])
    colors = {tuple(c) for c in picture[~labelled].tolist()}
    assert colors == set(pictures.HATCH_COLORS)
    share = (picture[~labelled] == pictures.HATCH_COLORS[1]).all(axis=-1).mean()
    assert 0.1 < share < 0.4  # lines, not an area


def test_draw_labels_without_ignored_pixels_is_the_overlay():
    labels = np.zeros((40, 60), np.uint8)
    np.testing.assert_array_equal(
        pictures.draw_labels(ground(), labels, PALETTE), pictures.overlay(ground(), labels, PALETTE)
    )
