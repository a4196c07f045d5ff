"""Masks that were saved as JPEG, or not turned with their images, and the command that writes fixed copies."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from oriented_images import ORIENTATIONS, as_viewers_show, pattern, save_oriented, stored_pixels
from PIL import Image
from scipy.spatial import cKDTree

from mmseg_ext.masks.binary_masks import BinaryMeaning
from mmseg_ext.masks.color_masks import ColorMeaning, format_color, parse_color
from mmseg_ext.masks.fixed_masks import find_nearest

ROOT = Path(__file__).resolve().parents[2]
COLORS = [parse_color(color) for color in ("#3C1098", "#8429F6", "#6EC1E4", "#FEDD3A", "#E2A929", "#9B9B9B")]
LABELS = np.random.default_rng(3).integers(0, 6, (3, 5), dtype=np.uint8).repeat(8, 0).repeat(8, 1)


@pytest.fixture(scope="module")
def fix():
    spec = importlib.util.spec_from_file_location("fix_masks_command", ROOT / "tools" / "fix_masks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


@pytest.mark.parametrize("depth", [1, 3])
def test_the_nearest_as_a_tree_finds_it(depth):
    rng = np.random.default_rng(depth)
    allowed = rng.permutation(256 * depth)[: 7 * depth].reshape(-1, depth) % 256
    allowed = np.unique(allowed, axis=0)
    values = rng.integers(0, 256, (40_000, depth))  # more than are compared at once
    nearest, doubtful = find_nearest(values, allowed)
    distances, indices = cKDTree(allowed).query(values, k=2)
    is_tied = distances[:, 0] == distances[:, 1]
    np.testing.assert_array_equal(nearest[~is_tied], indices[~is_tied, 0])
    np.testing.assert_array_equal(nearest[is_tied], indices[is_tied].min(1))
    squares = np.rint(distances**2)
    np.testing.assert_array_equal(doubtful, 4 * squares[:, 0] > squares[:, 1])
    assert 0 < doubtful.mean() < 1


def test_by_hand():
    nearest, doubtful = find_nearest(np.array([[0], [85], [86], [127], [128], [170], [255]]), np.array([[0], [255]]))
    assert nearest.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert doubtful.tolist() == [False, False, True, True, True, False, False]
    assert find_nearest(np.array([[9]]), np.array([[3]]))[1].tolist() == [False]


def test_colours_of_a_jpeg_come_back(tmp_path, fix, capsys):
    colors = np.array(COLORS, np.uint8)[LABELS]
    save(tmp_path / "masks" / "a" / "1.jpg", colors, quality=80, subsampling=0)
    save(tmp_path / "masks" / "b" / "1.png", colors)
    options = ["--out", str(tmp_path / "fixed"), "--colors", *map(format_color, COLORS)]
    blurred = np.asarray(Image.open(tmp_path / "masks" / "a" / "1.jpg")).astype(int)
    changed = int((blurred != colors).any(-1).sum())
    assert changed > 100
    distances, _ = cKDTree(COLORS).query(blurred.reshape(-1, 3), k=2)
    doubtful = int((2 * distances[:, 0] > distances[:, 1]).sum())
    assert fix([str(tmp_path / "masks"), *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"a/1.jpg: {changed} of 960 pixels changed, {doubtful} doubtful"
    assert lines[1] == "b/1.png: 0 of 960 pixels changed, 0 doubtful"
    assert f"2 masks, 0 turned; {changed} of 1920 pixels changed, {doubtful} doubtful" in lines[2]
    for folder in "ab":
        fixed = tmp_path / "fixed" / folder / "1.png"
        np.testing.assert_array_equal(np.asarray(Image.open(fixed)), colors)
        np.testing.assert_array_equal(ColorMeaning(COLORS, range(6)).read_mask(fixed), LABELS)
    assert sorted(path.name for path in (tmp_path / "masks").rglob("*.*")) == ["1.jpg", "1.png"]


def test_a_binary_jpeg_is_refused_with_the_command_that_fixes_it(tmp_path, fix, capsys):
    path, binary = tmp_path / "masks" / "1.jpg", (LABELS > 2).astype(np.uint8)
    smooth = np.asarray(Image.fromarray(binary * np.uint8(255)).resize((80, 48), Image.Resampling.BILINEAR))
    save(path, smooth, quality=60)
    with pytest.raises(ValueError, match=r"tools/fix_masks\.py MASKS --out FIXED --values 0 255\."):
        BinaryMeaning().read_mask(path)
    assert fix([str(path.parent), "--out", str(tmp_path / "fixed"), "--values", "0", "255", "255"]) == 0
    values = np.asarray(Image.open(path)).astype(int)
    doubtful = int(((values > 85) & (values < 170)).sum())
    assert doubtful > 0
    assert f"{int(((values > 0) & (values < 255)).sum())} of 3840 pixels changed, {doubtful} doubtful" in (
        capsys.readouterr().out
    )
    np.testing.assert_array_equal(BinaryMeaning().read_mask(tmp_path / "fixed" / "1.png"), values > 127)


def test_many_unknown_colours_name_the_command(tmp_path):
    path = tmp_path / "1.jpg"
    save(path, np.array(COLORS, np.uint8)[LABELS], quality=70)
    with pytest.raises(ValueError, match=r"tools/fix_masks\.py MASKS --out FIXED --colors '#3C1098' '#8429F6'"):
        ColorMeaning(COLORS, range(6)).read_mask(path)


@pytest.mark.parametrize(
    ("mode", "dtype", "values", "expected"),
    [
        ("L", np.uint8, [0, 1, 2, 9], [0, 1, 2, 3]),
        ("P", np.uint8, [0, 1, 2, 9], [0, 1, 2, 3]),
        ("I;16", np.uint16, [0, 1, 300, 999], [0, 1, 3, 3]),
        ("RGB", np.uint8, [0, 1, 2, 9], [0, 1, 2, 3]),
    ],
)
def test_labels_of_every_kind(tmp_path, fix, mode, dtype, values, expected):
    pixels = np.array([values], dtype)
    image = Image.fromarray(pixels if mode != "RGB" else np.dstack([pixels] * 3))
    if mode == "P":
        image.putpalette([7, 8, 9] * 256)
    (tmp_path / "masks").mkdir()
    image.save(tmp_path / "masks" / "1.png")
    assert fix([str(tmp_path / "masks"), "--out", str(tmp_path / "fixed"), "--values", "0-3"]) == 0
    assert np.asarray(Image.open(tmp_path / "fixed" / "1.png")).tolist() == [expected]
    fixed = [str(tmp_path / "fixed"), "--out", str(tmp_path / "deep"), "--values", "0", "65535"]
    assert fix(fixed) == 0
    assert np.asarray(Image.open(tmp_path / "deep" / "1.png")).dtype == np.uint16


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("with_palette", [False, True])
def test_masks_of_stored_pixels_are_turned_as_their_images(tmp_path, fix, orientation, with_palette, capsys):
    masks, palette = tmp_path / "masks", [10, 20, 30, 40, 50, 60] * 128
    for name in ("1", "2"):
        save_oriented(tmp_path / "images" / f"{name}.jpg", pattern(), orientation)
    stored = Image.fromarray(stored_pixels(LABELS, orientation))
    if with_palette:
        stored.putpalette(palette)
    masks.mkdir()
    stored.save(masks / "1.png")
    save_oriented(masks / "2.tif", LABELS, orientation)  # is turned already
    assert fix([str(masks), "--out", str(tmp_path / "fixed"), "--turn-like", str(tmp_path / "images")]) == 0
    for name in ("1", "2"):
        np.testing.assert_array_equal(as_viewers_show(tmp_path / "fixed" / f"{name}.png"), LABELS)
    with Image.open(tmp_path / "fixed" / "1.png") as fixed:
        assert dict(fixed.getexif()) == {}
        assert (fixed.getpalette() or [])[:768] == (palette if with_palette else [])
    assert f"2 masks, {int(orientation != 1)} turned; 0 of 1920 pixels changed" in capsys.readouterr().out


def test_a_mask_of_the_size_that_only_the_shown_image_has_is_not_turned(tmp_path, fix):
    save_oriented(tmp_path / "images" / "1.jpg", pattern(), 6)
    save(tmp_path / "masks" / "1.png", LABELS)
    assert fix([str(tmp_path / "masks"), "--out", str(tmp_path / "f"), "--turn-like", str(tmp_path / "images")]) == 0
    np.testing.assert_array_equal(as_viewers_show(tmp_path / "f" / "1.png"), LABELS)


def test_a_file_that_cannot_be_read_is_left_out(tmp_path, fix, capsys):
    save(tmp_path / "masks" / "1.png", LABELS)
    (tmp_path / "masks" / "2.png").write_bytes(b"no image")
    assert fix([str(tmp_path / "masks"), "--out", str(tmp_path / "fixed"), "--values", "0-5"]) == 1
    printed = capsys.readouterr()
    assert f"{tmp_path / 'masks' / '2.png'}: left out: cannot identify image file" in printed.err
    assert "1 masks, 0 turned; 0 of 960 pixels changed" in printed.out
    (tmp_path / "masks" / "1.png").unlink()
    assert fix([str(tmp_path / "masks"), "--out", str(tmp_path / "none"), "--values", "0-5"]) == 1
    assert "0 masks, 0 turned; 0 of 0 pixels" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ("masks --out fixed", "Expected --values, --colors or --turn-like, got none"),
        ("masks --out fixed --values 0-x", "got '0-x'"),
        ("masks --out fixed --values 70000", "got '70000'"),
        ("masks --out fixed --colors red", "Expected a colour like '#3C1098', got 'red'"),
        ("nowhere --out fixed --values 0", "found no such folder"),
        ("masks --out masks --values 0", "an empty or new folder outside of"),
        ("masks --out masks/fixed --values 0", "an empty or new folder outside of"),
        ("masks --out full --values 0", "an empty or new folder outside of"),
        ("empty --out fixed --values 0", "Expected masks (.png, "),
        ("twice --out fixed --values 0", "one file of each name"),
        ("masks --out fixed --turn-like empty", "1 of 1 have none: 1"),
    ],
)
def test_what_cannot_be_done_is_refused(tmp_path, fix, monkeypatch, capsys, options, part):
    monkeypatch.chdir(tmp_path)
    for name in ("masks/1.png", "full/1.png", "twice/1.png", "twice/1.jpg"):
        save(tmp_path / name, LABELS)
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert fix(options.split()) == 2
    assert part in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before
