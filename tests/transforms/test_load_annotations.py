"""Masks of every kind, as stock reads them, and those that it spoils."""

import warnings

import numpy as np
import pytest
from drop_in_pairs import build, compare, patches, sample
from PIL import Image

from mmseg_ext.errors import UserError

pytestmark = pytest.mark.usefixtures("mmseg_scope")


@pytest.mark.parametrize("reduce_zero_label", [False, True])
@pytest.mark.parametrize("label_map", [None, {0: 2, 1: 0, 2: 255, 149: 1}, {1: 2, 2: 1}, {0: 0}, {300: 1}])
@pytest.mark.parametrize("backend", ["pillow", "cv2"])
def test_masks_with_their_tables(pairs, reduce_zero_label, label_map, backend):
    fields = {"reduce_zero_label": reduce_zero_label, "label_map": label_map}
    config = {"type": "LoadAnnotations", "imdecode_backend": backend}
    compare(config, lambda seed: sample(pairs["small"][seed], **fields), range(5))


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [*((mode, suffix) for mode in ("1", "P", "I;16") for suffix in (".png", ".tif")), ("I", ".tif")],
)
def test_masks_of_every_kind(tmp_path, mode, suffix):
    path = tmp_path / f"mask{suffix}"
    values = patches(33, 47, 3) > 3 if mode == "1" else patches(33, 47, 3)
    if mode == "P":
        mask = Image.fromarray(values)
        mask = mask.convert("P")
        mask.putpalette([value for index in range(256) for value in (index, 255 - index, 7)])
        values = np.array(mask)
    else:
        mask = Image.fromarray(values.astype({"1": bool, "I;16": np.uint16, "I": np.int32}[mode]))
    assert mask.mode == mode
    mask.save(path)
    out = compare({"type": "LoadAnnotations"}, lambda seed: sample(("x", str(path)), reduce_zero_label=False), range(1))
    np.testing.assert_array_equal(out["gt_seg_map"], values)


def test_reduce_zero_label_that_contradicts_the_dataset(pairs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        step = build({"type": "LoadAnnotations", "reduce_zero_label": True}, ours=True)
    with pytest.raises(UserError, match="reduce_zero_label=False"):
        step(sample(pairs["small"][0], reduce_zero_label=False))


@pytest.mark.parametrize(
    ("pixels", "parts"),
    [
        (np.full((6, 8, 3), 7, np.uint8), ["one value a pixel", "(6, 8, 3)", "LoadColorAnnotations"]),
        (np.full((6, 8, 4), 7, np.uint8), ["one value a pixel", "(6, 8, 4)"]),
        (np.full((6, 8), 300, np.uint16), ["0..255", "300..300"]),
        (np.full((6, 8), 1.5, np.float32), ["integers", "float32"]),
    ],
)
def test_masks_that_stock_garbles_are_refused(tmp_path, pixels, parts):
    path = tmp_path / "mask.tif"
    Image.fromarray(pixels).save(path)
    stock = build({"type": "LoadAnnotations"}, ours=False)
    stock(sample(("x", str(path)), reduce_zero_label=False))  # without a word
    with pytest.raises(UserError) as caught:
        build({"type": "LoadAnnotations"}, ours=True)(sample(("x", str(path)), reduce_zero_label=False))
    for part in (str(path), *parts):
        assert part in str(caught.value)


@pytest.mark.parametrize("backend", ["pillow", "cv2"])
@pytest.mark.parametrize("content", [b"", b"no mask", b"\x89PNG\r\n\x1a\n and no more"])
def test_a_damaged_mask_is_named(tmp_path, content, backend):
    path = tmp_path / "mask.png"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"mask\.png"):
        build({"type": "LoadAnnotations", "imdecode_backend": backend}, ours=True)(sample(("x", str(path))))


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (1, 1)])
def test_a_mask_of_one_row_keeps_its_shape(tmp_path, shape):
    Image.fromarray(np.full(shape, 3, np.uint8)).save(tmp_path / "mask.png")
    out = build({"type": "LoadAnnotations"}, ours=True)(sample(("x", str(tmp_path / "mask.png"))))
    assert out["gt_seg_map"].shape == shape
