import warnings

import numpy as np

from mmseg_ext.scores.percentages import percent


def test_nothing_of_nothing_is_not_a_number_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = percent(np.array([3, 0, 0]), np.array([4, 2, 0]))
    np.testing.assert_array_equal(found, [75.0, 0.0, np.nan])
    assert found.dtype == np.float64
    assert percent(np.int64(1), np.int64(8)) == 12.5
