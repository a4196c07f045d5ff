import cv2
import numpy as np

from mmseg_ext.datasets.synthetic_aerial.png import encode_png, png_length


def test_large_images_need_several_png_blocks():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (200, 200, 3), np.uint8)
    data = encode_png(image)
    assert len(data) == png_length(200, 3)
    np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1], image)
