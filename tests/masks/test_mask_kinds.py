"""What masks seem to mean: indices, colours, 0 and 255; and what is said of the rest."""

import numpy as np
import pytest
from picture_files import save_picture_file
from PIL import Image

from mmseg_ext.data_check.file_facts import read_mask_facts
from mmseg_ext.errors import UserError
from mmseg_ext.masks.mask_kinds import guess_masks


@pytest.fixture
def facts_of(tmp_path):
    """Facts of masks that are written to files and read again."""

    def write(*masks, suffix=".png"):
        paths = [tmp_path / f"{number}{suffix}" for number in range(len(masks))]
        for path, mask in zip(paths, masks, strict=True):
            if isinstance(mask, Image.Image):
                mask.save(path)
            else:
                save_picture_file(path, np.asarray(mask, np.uint8))
        return [read_mask_facts(str(path)) for path in paths]

    return write


def stripes(*values, width=8):
    """A mask of stripes of equal width, values or colours."""
    return np.stack([np.array(value, np.uint8) for value in values]).repeat(width, 0)[:, None].repeat(40, 1)


def palette_png(values, palette):
    image = Image.fromarray(stripes(*values), mode="P")
    image.putpalette(np.array(palette, np.uint8).ravel().tolist())
    return image


def test_indices_keep_their_numbers(facts_of):
    guess = guess_masks(facts_of(stripes(0, 3), stripes(0, 0)), classes=list("abcde"))
    assert (guess.kind, guess.classes, guess.reduce_zero_label) == ("index", list("abcde"), False)
    assert guess.load_labels == {"type": "mmseg_ext.LoadAnnotations"}
    unnamed = guess_masks(facts_of(stripes(0, 3, 255)))
    assert unnamed.classes == ["class 0", "class 1", "class 2", "class 3"]
    assert [doubt for doubt in unnamed.doubts if "No mask holds 1, 2; labels keep their numbers" in doubt]
    assert any(doubt.startswith("0 (33.3 % of the pixels) is taken as a class: --ignore 0") for doubt in unnamed.doubts)


def test_indices_from_one(facts_of):
    guess = guess_masks(facts_of(stripes(1, 2, 3)))
    assert guess.reduce_zero_label
    assert len(guess.classes) == 3
    assert guess.doubts[0].startswith("No mask holds 0: the classes are taken to count from 1")
    assert guess_masks(facts_of(stripes(0, 1, 2)), ignore=["0"]).reduce_zero_label
    from_zero = guess_masks(facts_of(stripes(1, 2)), ignore=["255"])
    assert (from_zero.reduce_zero_label, len(from_zero.classes)) == (False, 3)


def test_an_ignored_value_in_the_middle_is_left_out_by_its_grey(facts_of):
    guess = guess_masks(facts_of(stripes(0, 1, 9)), ignore=["9"])
    assert guess.classes == ["class 0", "class 1"]
    assert guess.load_labels == {
        "type": "mmseg_ext.LoadColorAnnotations",
        "palette": ["#000000", "#010101"],
        "ignore_colors": ["#090909", "#FFFFFF"],
    }


@pytest.mark.parametrize("kind", ["gray", "one bit", "color"])
def test_0_and_255_are_a_class_and_its_background(facts_of, kind):
    mask = Image.fromarray(stripes(0, 255))
    guess = guess_masks(facts_of(mask.convert({"gray": "L", "one bit": "1", "color": "RGB"}[kind])), classes=["road"])
    assert (guess.kind, guess.classes) == ("binary", ["background", "road"])
    assert guess.load_labels == {"type": "mmseg_ext.LoadBinaryAnnotations", "kind": "0/255"}


def test_palette_pngs_hold_indices_where_all_agree(facts_of):
    palette = [[0, 0, 0], [0, 200, 0], [200, 0, 0]]
    agreeing = facts_of(palette_png([0, 1], palette), palette_png([1, 2], palette))
    guess = guess_masks(agreeing)
    assert (guess.kind, guess.colors) == ("index", ["#000000", "#00C800", "#C80000"])
    other = facts_of(palette_png([0, 1], palette), palette_png([0, 1], palette[::-1]))
    guess = guess_masks(other)
    assert (guess.kind, guess.colors) == ("color", ["#000000", "#00C800", "#C80000"])


def test_colours_in_their_order_without_the_rare_ones(facts_of):
    mask = np.concatenate([stripes([9, 0, 0], [0, 9, 0], width=200), stripes([1, 2, 3], width=1)[:, :40]])
    mask[-1, 1:] = [9, 0, 0]  # one pixel of 16,040
    guess = guess_masks(facts_of(mask))
    assert (guess.kind, guess.colors, guess.classes) == ("color", ["#000900", "#090000"], ["000900", "090000"])
    assert guess.load_labels["unknown"] == "ignore"
    assert guess.doubts[0].startswith("#010203: too few pixels for a class")
    named = guess_masks(facts_of(mask), classes=["b", "a"], colors=["#090000", "#000900"])
    assert named.load_labels["palette"] == ["#090000", "#000900"]
    assert named.doubts == ["#010203 (0.0062 %): none of --colors, taken as not labelled."]
    with pytest.raises(UserError, match=r"as many --classes as colours, got 3 for 2: #000900 .50 %., #090000"):
        guess_masks(facts_of(mask), classes=list("abc"))


def test_greys_that_are_numbers_keep_them(facts_of):
    guess = guess_masks(facts_of(stripes([0, 0, 0], [3, 3, 3])))
    assert guess.load_labels["palette"] == ["#000000", "#010101", "#020202", "#030303"]
    far = guess_masks(facts_of(stripes(0, 90, 180)))
    assert (far.kind, far.colors) == ("color", ["#000000", "#5A5A5A", "#B4B4B4"])


@pytest.mark.parametrize(
    ("mask", "fix"),
    [
        (stripes(0, 255, width=13), "--values 0 255"),
        (stripes([0, 0, 0], [0, 255, 0], [255, 0, 0], width=405), "--colors '#000000' '#00FF00' '#FF0000'"),
    ],
)
def test_jpegs_are_fixed_by_the_command_that_is_shown(facts_of, mask, fix):
    facts = facts_of(mask, suffix=".jpg")
    with pytest.raises(UserError, match=f"saved as JPEG, or resized.* Fix them with: fix masks {fix}; then run this"):
        guess_masks(facts, are_jpeg=True, fix_command="fix masks")


def test_150_classes_are_not_blurred(facts_of):
    assert len(guess_masks(facts_of(stripes(*range(150), width=2))).classes) == 150


@pytest.mark.parametrize(
    ("mask", "options", "message"),
    [
        (stripes(0), {}, "Expected masks of two classes or more, got 0 alone. Is it the folder of the masks"),
        (stripes([7, 0, 0]), {}, "got #070000 alone"),
        (stripes(0, 1, 7), {"classes": ["a", "b"]}, r"labels of 2 classes, 0\.\.1, got 7"),
        (stripes(0, 1), {"ignore": ["#000000"]}, r"values in 0\.\.255 behind --ignore"),
        (stripes(0, 255), {"classes": list("abc")}, "at most two --classes, got .* 3 names"),
        (stripes(0, 7), {"kind": "binary"}, "masks of 0 and 255"),
    ],
)
def test_what_does_not_fit_is_said(facts_of, mask, options, message):
    with pytest.raises(UserError, match=message):
        guess_masks(facts_of(mask), **options)
