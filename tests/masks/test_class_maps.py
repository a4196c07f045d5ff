import numpy as np
import pytest
import torch

from mmseg_ext.masks.class_maps import as_array


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
