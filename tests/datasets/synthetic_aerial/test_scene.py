import numpy as np
import pytest

from mmseg_ext.datasets.synthetic_aerial import draw_scene
from mmseg_ext.errors import UserError


def test_another_seed_and_another_number_give_other_pictures():
    first, _ = draw_scene("rural", 48, (0, 0, 0, 1))
    for seed in ((1, 0, 0, 1), (0, 0, 0, 2), (0, 1, 0, 1)):
        assert (draw_scene("rural", 48, seed)[0] != first).mean() > 0.5


@pytest.mark.parametrize("seed", [0, 37, 50])  # the first attempt lacks a class in rural 37 and in urban 50
def test_first_pictures_show_all_classes(seed):
    rural = draw_scene("rural", 256, (seed, 0, 0, 0), complete=True)[1]
    urban = draw_scene("urban", 256, (seed, 0, 1, 0), complete=True)[1]
    assert set(range(1, 8)) <= set(np.unique(rural[rural > 0]))
    assert set(range(1, 7)) <= set(np.unique(urban))


def test_no_data_is_black_and_at_the_border_of_some_pictures():
    shares = []
    for index in range(1, 25):
        image, labels = draw_scene("urban", 48, (0, 0, 1, index))
        missing = labels == 0
        shares.append(missing.mean())
        assert not image[missing].any()
        assert not missing[10:-10, 10:-10].any()
    assert 1 <= np.count_nonzero(shares) <= 12
    assert max(shares) < 0.2


def test_color_alone_does_not_solve_it():
    def load(indices):
        pairs = [draw_scene(s, 96, (0, 0, k, i), i == 0) for k, s in enumerate(("rural", "urban")) for i in indices]
        return np.stack([p[0] for p in pairs]).astype(np.float32), np.stack([p[1] for p in pairs])

    images, labels = load(range(6))
    means = np.stack([images[labels == c].mean(axis=0) for c in range(1, 8)])
    images, labels = load(range(6, 10))
    predicted = 1 + ((images[..., None, :] - means) ** 2).sum(axis=-1).argmin(axis=-1)
    valid = labels > 0
    ious = [
        ((predicted == c) & (labels == c)).sum() / (((predicted == c) | (labels == c)) & valid).sum()
        for c in range(1, 8)
    ]
    assert 0.05 < np.mean(ious) < 0.45


def test_bad_scene():
    with pytest.raises(UserError, match="'urban' or 'rural', got 'suburb'"):
        draw_scene("suburb", 48, (0,))
