import io

import numpy as np
import pytest
import torch
from PIL import Image

from mmseg_ext.masks.class_maps import as_array, pack_labels, unpack_labels


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_one_sigmoid_channel_comes_as_class_indices(dtype):
    found = as_array(torch.tensor([[[0.0, 1.0], [1.0, 0.0]]], dtype=dtype))
    assert found.dtype == np.uint8
    assert found.tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("dtype", [torch.int64, torch.int16, torch.uint16])
def test_indices_stay_as_they_are(dtype):
    for shape in ((1, 1, 2), (1, 2)):
        found = as_array(torch.tensor([300, 7], dtype=dtype).view(shape))
        assert found.dtype == torch.zeros(0, dtype=dtype).numpy().dtype
        assert found.tolist() == [[300, 7]]


def test_values_without_a_color_stay():
    labels_HW = np.array([[0, 1, 2], [255, 9, 1]], np.uint8)
    palette = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.uint8)
    packed = pack_labels(labels_HW, palette)
    assert (unpack_labels(packed) == labels_HW).all()
    with Image.open(io.BytesIO(packed)) as image:
        assert np.array(image.convert("RGB"))[:, 0].tolist() == [[1, 2, 3], [0, 0, 0]]
