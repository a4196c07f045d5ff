import numpy as np
import pytest
from picture_files import save_picture_file
from PIL import Image

from mmseg_ext.data_check.file_facts import read_mask_facts
from mmseg_ext.data_check.judge import LabelSpec, judge_mask
from mmseg_ext.errors import UserError
from mmseg_ext.masks.binary_masks import BinaryMeaning

TRUTH_HW = np.array([[0, 1, 1], [0, 0, 1]], dtype=np.uint8)


def check_labels(path, kind):
    """The labels that the check before training counts, and what it says of the mask."""
    report = judge_mask(str(path), read_mask_facts(str(path)), BinaryMeaning(kind), LabelSpec(("a", "b")))
    return report.counts, [problem.what for problem in report.problems]


def palette_png(path, colors, indices_HW):
    image = Image.fromarray(indices_HW, mode=None).convert("L")
    image = Image.frombytes("P", image.size, indices_HW.tobytes())
    image.putpalette([channel for color in colors for channel in color])
    image.save(path)


@pytest.mark.parametrize(
    ("kind", "pixels", "suffix"),
    [
        ("0/255", TRUTH_HW * 255, ".png"),
        ("0/1", TRUTH_HW, ".png"),
        ("0/255", TRUTH_HW.astype(bool), ".png"),
        ("0/1", TRUTH_HW.astype(bool), ".png"),
        ("0/255", np.repeat(TRUTH_HW[..., None] * 255, 3, 2), ".png"),
        ("0/1", np.repeat(TRUTH_HW[..., None], 3, 2), ".png"),
        ("0/255", np.concatenate([np.repeat(TRUTH_HW[..., None] * 255, 3, 2), TRUTH_HW[..., None] * 7], 2), ".png"),
        ("0/255", TRUTH_HW.astype(np.uint16) * 255, ".png"),
        ("0/255", TRUTH_HW * 255, ".tif"),
        ("0/255", TRUTH_HW * 255, ".bmp"),
        ("0/255", TRUTH_HW * 255, ".gif"),
    ],
    ids=lambda value: str(getattr(value, "dtype", value)),
)
def test_masks_of_every_mode_are_read_alike_by_loading_and_by_the_check(tmp_path, kind, pixels, suffix):
    path = tmp_path / f"mask{suffix}"
    save_picture_file(path, pixels)
    labels_HW = BinaryMeaning(kind).read_mask(path)
    assert labels_HW.dtype == np.uint8
    assert labels_HW.tolist() == TRUTH_HW.tolist()
    assert check_labels(path, kind) == ({0: 3, 1: 3}, [])


def test_a_palette_png_means_its_colours_or_its_indices(tmp_path):
    path = tmp_path / "mask.png"
    palette_png(path, [(255, 255, 255), (0, 0, 0)], TRUTH_HW)
    assert BinaryMeaning("0/255").read_mask(path).tolist() == (1 - TRUTH_HW).tolist()
    assert check_labels(path, "0/255") == ({1: 3, 0: 3}, [])
    assert BinaryMeaning("0/1").read_mask(path).tolist() == TRUTH_HW.tolist()
    assert check_labels(path, "0/1") == ({0: 3, 1: 3}, [])


def test_255_is_not_labelled_where_the_foreground_is_1(tmp_path):
    save_picture_file(tmp_path / "mask.png", np.array([[0, 1, 255]], dtype=np.uint8))
    assert BinaryMeaning("0/1").read_mask(tmp_path / "mask.png").tolist() == [[0, 1, 255]]


@pytest.mark.parametrize(
    ("kind", "pixels", "message"),
    [
        ("0/255", np.array([[0, 1]], np.uint8), r"got 1 \(1 pixel\)\. If its foreground is 1, set kind='0/1'"),
        ("0/1", np.array([[0, 2]], np.uint8), r"0 \(background\), 1 \(foreground\) and 255 .* got 2 \(1 pixel\)"),
        ("0/255", np.array([[0, 256]], np.uint16), r"got 256 \(1 pixel\)"),
        ("0/255", np.arange(9, dtype=np.uint8)[None], r"got 1 .* and 3 more"),
        ("0/255", np.array([[[0, 0, 0], [255, 0, 0]]], np.uint8), r"got #FF0000 \(1 pixel\)\. .*LoadColorAnnotations"),
        ("0/255", np.array([[3, 4, 5]], np.uint8), "saved as JPEG"),
        ("0/255", np.array([[[0, 0, 0], [0, 0, 255]]], np.uint8), r"got #0000FF \(1 pixel\)"),
    ],
)
def test_other_values_are_an_error_with_the_file_and_the_fix(tmp_path, kind, pixels, message):
    path = tmp_path / "wrong.png"
    save_picture_file(path, pixels)
    with pytest.raises(UserError, match=message) as error:
        BinaryMeaning(kind).read_mask(path)
    assert str(path) in str(error.value)
    assert check_labels(path, kind)[1]


def test_a_file_that_is_no_image_is_an_error_with_its_name(tmp_path):
    (tmp_path / "mask.png").write_text("no image")
    with pytest.raises(UserError, match=r"Cannot read the mask .*mask\.png"):
        BinaryMeaning().read_mask(tmp_path / "mask.png")


def test_a_value_that_is_no_number_is_an_error_with_the_file(tmp_path):
    save_picture_file(tmp_path / "mask.tif", np.array([[0, np.nan]], dtype=np.float32))
    with pytest.raises(UserError, match=r"mask\.tif, got nan \(1 pixel\)"):
        BinaryMeaning().read_mask(tmp_path / "mask.tif")
