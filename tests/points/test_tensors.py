"""Points of a batch: counts, guarantees, and chance."""

from itertools import pairwise

import pytest
import torch
from scipy.stats import chi2

from mmseg_ext.points.tensors import sample_points


def random_labels(shape=(3, 20, 30), ignored=0.3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 4, shape, generator=generator)
    labels[torch.rand(shape, generator=generator) < ignored] = 255
    return labels


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("ignored", [0.0, 0.3, 0.99])
@pytest.mark.parametrize("num_points", [0, 1, 7, 100, 10**6])
def test_as_many_labelled_pixels_of_each_image_as_asked_or_there_are(ignored, num_points):
    labels = random_labels(ignored=ignored)
    labels[2] = 255
    before = labels.clone()
    points = sample_points(labels, num_points, seeded())
    assert torch.equal(labels, before)
    kept = points != 255
    assert torch.equal(points[kept], labels[kept])
    expected = (labels != 255).flatten(1).sum(1).clamp_max(num_points)
    assert torch.equal(kept.flatten(1).sum(1), expected)


def test_smaller_budgets_are_subsets():
    labels = random_labels()
    sets = [sample_points(labels, n, seeded(5)) != 255 for n in (1, 2, 3, 10, 50, 400, 600)]
    for smaller, larger in pairwise(sets):
        assert (larger | ~smaller).all()
    assert sets[0].sum() == 3
    assert torch.equal(sets[-1], labels != 255)


def test_the_generator_fixes_the_points():
    labels = random_labels()
    assert torch.equal(sample_points(labels, 9, seeded(1)), sample_points(labels, 9, seeded(1)))
    assert not torch.equal(sample_points(labels, 9, seeded(1)), sample_points(labels, 9, seeded(2)))
    generator = seeded(1)
    first = sample_points(labels, 9, generator)
    assert not torch.equal(first, sample_points(labels, 9, generator))
    torch.manual_seed(1)
    assert torch.equal(first, sample_points(labels, 9))
    same = random_labels((1, 20, 30)).expand(3, -1, -1)
    points = sample_points(same, 9, seeded())
    assert not torch.equal(points[0], points[1])


@pytest.mark.parametrize(("dtype", "ignore_index"), [(torch.uint8, 255), (torch.int64, -1), (torch.int16, 0)])
def test_types_ignore_indices_and_strides(dtype, ignore_index):
    labels = torch.where(random_labels() == 255, ignore_index, random_labels() + 1).to(dtype)
    expected = sample_points(labels, 9, seeded(), ignore_index)
    assert expected.dtype == dtype
    assert (expected != ignore_index).sum() == 27
    strided = labels.transpose(1, 2).contiguous().transpose(1, 2)
    assert torch.equal(sample_points(strided, 9, seeded(), ignore_index), expected)


def test_points_are_uniform_among_the_labelled():
    labels = torch.zeros(2000, 6, 8, dtype=torch.uint8)
    labels[:, 1:3, 2:5] = 255
    counts = (sample_points(labels, 5, seeded()) == 0).sum(0)
    valid = counts[labels[0] == 0].double()
    assert len(valid) == 42
    assert counts.sum() == valid.sum() == 10000
    expected = 10000 / 42
    statistic = ((valid - expected) ** 2 / expected).sum().item() * 41 / (42 - 5)
    assert 1e-3 < chi2.sf(statistic, 41) < 1 - 1e-3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu():
    labels = random_labels().cuda()
    points = sample_points(labels, 9)
    assert points.device == labels.device
    assert (points != 255).sum() == 27
    assert torch.equal(sample_points(labels, 9, seeded()).cpu(), sample_points(labels.cpu(), 9, seeded()))
