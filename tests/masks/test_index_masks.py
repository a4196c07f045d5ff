"""Index masks: labels by hand and against stock's LoadAnnotations, and masks that are refused."""

import io

import numpy as np
import pytest
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image

from mmseg_ext.errors import UserError
from mmseg_ext.masks.index_masks import IndexMeaning, decode_mask, label_table


def encode(pixels, file_format="TIFF"):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, file_format)
    return buffer.getvalue()


@pytest.mark.parametrize("reduce_zero_label", [False, True])
@pytest.mark.parametrize("label_map", [(), ((0, 2), (2, 0), (1, 255)), ((149, 3),)])
def test_labels_are_those_of_stock(tmp_path, reduce_zero_label, label_map):
    path = tmp_path / "mask.png"
    path.write_bytes(encode(np.arange(256, dtype=np.uint8).reshape(16, 16), "PNG"))
    results = {"seg_map_path": str(path), "seg_fields": [], "reduce_zero_label": reduce_zero_label}
    stock = LoadAnnotations()({**results, "label_map": dict(label_map)})["gt_seg_map"].ravel().tolist()
    assert IndexMeaning(reduce_zero_label, label_map).label_of == dict(enumerate(stock))
    table = label_table(reduce_zero_label, label_map)
    assert (list(range(256)) if table is None else table.tolist()) == stock


def test_integers_of_every_type_are_read():
    expected = [[0, 1, 255]]
    for dtype in (np.uint8, np.uint16, np.int32, np.float32):
        labels_HW = decode_mask(encode(np.array(expected, dtype)), "mask.tif")
        assert labels_HW.dtype == np.uint8
        assert labels_HW.tolist() == expected


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.array([[0, 256]], np.uint16), r"0\.\.255 in the mask mask\.tif, got 0\.\.256"),
        (np.array([[-1, 5]], np.int32), r"got -1\.\.5"),
        (np.array([[0.5, 1]], np.float32), "Expected integers in the mask"),
        (np.array([[np.nan, 1]], np.float32), "Expected integers in the mask"),
        (np.zeros((2, 2, 3), np.uint8), "LoadColorAnnotations"),
    ],
)
def test_other_masks_are_refused(pixels, message):
    with pytest.raises(UserError, match=message):
        decode_mask(encode(pixels), "mask.tif")
