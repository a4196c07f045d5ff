import stat

import numpy as np
import pytest
from PIL import Image

from mmseg_ext import files, pictures
from mmseg_ext.errors import UserError

PALETTE = [[10, 20, 30], [255, 0, 0], [0, 255, 0]]
RED, GREEN = [255, 0, 0], [0, 255, 0]


def ground(height=40, width=60, value=100):
    return np.full((height, width, 3), value, np.uint8)


# colorize


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
        (np.array([[3]]), r"labels in 0\.\.2 \(or 255, ignored\) for a palette of 3 colours, got 3"),
        (np.array([[-1]]), "got -1"),
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


# overlay


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


# points


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
    with pytest.raises(UserError, match=r"labels in 0\.\.2 .* got 3"):
        pictures.draw_points(ground(), points(where=[(1, 1, 3)]), PALETTE)
    with pytest.raises(UserError, match="`radius` to be 0 or more pixels, got -1"):
        pictures.draw_points(ground(), points(), PALETTE, radius=-1)


# labels


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


# errors


def test_errors_by_hand():
    picture = pictures.errors(np.array([[0, 1, 1]]), np.array([[0, 2, 255]]))
    assert tuple(picture[0, 0]) == pictures.RIGHT_COLOR == (199, 219, 199)
    assert tuple(picture[0, 1]) == pictures.WRONG_COLOR == (214, 39, 40)
    assert tuple(picture[0, 2]) in pictures.HATCH_COLORS
    assert picture.dtype == np.uint8


def test_errors_with_differing_shapes():
    with pytest.raises(UserError, match=r"got \(2, 3\) and \(3, 2\)"):
        pictures.errors(np.zeros((2, 3), int), np.zeros((3, 2), int))


def test_errors_count_a_predicted_ignore_index_as_wrong():
    assert tuple(pictures.errors(np.array([[255]]), np.array([[1]]))[0, 0]) == pictures.WRONG_COLOR


# legend


def test_legend_shows_each_color_once_on_white():
    strip = pictures.legend(["ground", "house", "tree"], PALETTE, 400)
    assert strip.shape == (30, 400, 3)
    assert strip.dtype == np.uint8
    for color in PALETTE:
        rows, columns = np.nonzero((strip == color).all(axis=-1))
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1, rows.size) == (12, 12, 144)
    assert strip[0, 0].tolist() == [255, 255, 255]
    assert np.count_nonzero(strip.max(axis=-1) < 90) > 100  # dark ink


def test_legend_wraps_into_rows():
    classes = [f"class {i}" for i in range(9)]
    palette = [[i, 200, 0] for i in range(9)]
    heights = [pictures.legend(classes, palette, width).shape[0] for width in (2000, 300, 100)]
    assert heights == [30, 8 + 22 * 3, 8 + 22 * 9]
    strip = pictures.legend(classes, palette, 100)
    tops = [np.nonzero((strip == color).all(axis=-1))[0].min() for color in palette]
    assert np.diff(tops).tolist() == [22] * 8


@pytest.mark.parametrize("width", [1, 5, 30, 200])
@pytest.mark.parametrize("name", ["", "a" * 3000, "水域", "two\nlines", "e\u0301 \U0001f333"])
def test_legend_takes_any_name_and_width(name, width):
    assert pictures.legend([name, "road"], PALETTE[1:], width).shape[1] == width


def test_long_name_is_shortened_within_the_strip():
    strip = pictures.legend(["m" * 100], [RED], 150)
    ink = np.nonzero(strip.max(axis=-1) < 120)[1]
    assert 100 < ink.max() < 150 - 4


def test_legend_of_nothing_and_of_unequal_lengths():
    assert (pictures.legend([], [], 50) == 255).all()
    with pytest.raises(UserError, match="each of 1 classes, got 3 colours"):
        pictures.legend(["a"], PALETTE, 100)
    with pytest.raises(UserError, match="`width` to be at least 1 pixel, got 0"):
        pictures.legend(["a"], [RED], 0)


# panel, sheet


def test_panel_puts_pictures_beside_one_another():
    left, right = ground(40, 60, 50), ground(40, 80, 200)
    picture = pictures.panel([("left", left), ("right", right)])
    assert picture.shape == (40 + 23, 60 + 8 + 80, 3)
    np.testing.assert_array_equal(picture[23:, :60], left)
    np.testing.assert_array_equal(picture[23:, 68:], right)
    assert (picture[:, 60:68] == 255).all()
    for columns in (slice(0, 60), slice(68, 148)):
        ink = np.nonzero(picture[:23, columns].max(axis=-1) < 120)[1]
        middle = (ink.min() + ink.max()) / 2
        assert abs(middle - (columns.stop - columns.start) / 2) < 3  # the title is centred


def test_panel_without_titles_has_no_band():
    np.testing.assert_array_equal(pictures.panel([("", ground())]), ground())


def test_panel_scales_to_one_height_and_keeps_label_colors():
    small = np.zeros((2, 3, 3), np.uint8)
    small[0, 0] = RED
    picture = pictures.panel([("", small), ("", ground(8, 8))])
    assert picture.shape == (8, 12 + 8 + 8, 3)
    np.testing.assert_array_equal(picture[:, :12], small.repeat(4, 0).repeat(4, 1))
    halved = pictures.panel([("", ground(8, 8))], height=4)
    np.testing.assert_array_equal(halved, ground(4, 4))


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1)])
def test_panel_takes_any_size_and_title(size):
    picture = pictures.panel([("a very long title \U0001f333" * 20, ground(*size))])
    np.testing.assert_array_equal(picture[-size[0] :], ground(*size))


def test_bad_panels():
    with pytest.raises(UserError, match="at least one picture in a panel, got none"):
        pictures.panel([])
    with pytest.raises(UserError, match="`height` to be at least 1 pixel, got 0"):
        pictures.panel([("a", ground())], height=0)
    with pytest.raises(UserError, match=r"\(H, W, 3\) of uint8 RGB, got shape \(4, 4\)"):
        pictures.panel([("a", np.zeros((4, 4), np.uint8))])


def test_sheet_stacks_with_the_legend_beneath():
    wide, narrow, strip = ground(10, 50, 1), ground(20, 30, 2), ground(5, 50, 3)
    picture = pictures.sheet([wide, narrow], strip)
    assert picture.shape == (10 + 8 + 20 + 8 + 5, 50, 3)
    assert (picture[:10] == 1).all()
    assert (picture[10:18] == 255).all()
    assert (picture[18:38, :30] == 2).all()
    assert (picture[18:38, 30:] == 255).all()
    assert (picture[46:] == 3).all()
    np.testing.assert_array_equal(pictures.sheet([wide]), wide)
    with pytest.raises(UserError, match="at least one row"):
        pictures.sheet([])


# files


def test_save_picture_as_png_is_exact(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (11, 13, 3), np.uint8)
    path = tmp_path / "new" / "folder" / "picture.PNG"
    assert pictures.save_picture(str(path), image) == path
    with Image.open(path) as stored:
        assert stored.format == "PNG"
        np.testing.assert_array_equal(np.array(stored), image)
    assert [p.name for p in path.parent.iterdir()] == ["picture.PNG"]


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg"])
def test_save_picture_as_jpeg_is_close(tmp_path, suffix):
    path = pictures.save_picture(tmp_path / f"picture{suffix}", ground(16, 16, 77))
    with Image.open(path) as stored:
        assert stored.format == "JPEG"
        assert np.abs(np.array(stored).astype(int) - 77).max() <= 1


def test_save_picture_replaces_the_old_file_or_keeps_it(tmp_path, monkeypatch):
    path = tmp_path / "picture.png"
    pictures.save_picture(path, ground(value=1))
    pictures.save_picture(path, ground(value=2))
    with Image.open(path) as stored:
        assert (np.array(stored) == 2).all()
    assert stat.S_IMODE(path.stat().st_mode) & stat.S_IRUSR

    def fail(*args):
        raise OSError("no space left")

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        pictures.save_picture(path, ground(value=3))
    monkeypatch.undo()
    with Image.open(path) as stored:
        assert (np.array(stored) == 2).all()
    assert [p.name for p in tmp_path.iterdir()] == ["picture.png"]


def test_save_picture_names_bad_input(tmp_path):
    with pytest.raises(UserError, match=r"ends in \.png, \.jpg or \.jpeg, got .*picture\.gif"):
        pictures.save_picture(tmp_path / "picture.gif", ground())
    with pytest.raises(UserError, match=r"got shape \(4, 4, 4\) of uint8"):
        pictures.save_picture(tmp_path / "picture.png", np.zeros((4, 4, 4), np.uint8))
    assert not list(tmp_path.iterdir())
