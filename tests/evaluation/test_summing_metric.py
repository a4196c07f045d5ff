import numpy as np
import pytest

from mmseg_ext.errors import UserError
from mmseg_ext.evaluation import summing_metric
from mmseg_ext.evaluation.summing_metric import SummingMetric, last_image_is_padding


class TotalMetric(SummingMetric):
    """Adds up one number an image."""

    def zero(self):
        return np.zeros(1, int)

    def count(self, sample):
        if sample["value"] < 0:
            raise ValueError("Expected 0 or more.")
        if sample["value"] > 99:
            raise UserError("Set `large=True`.")
        return np.array([sample["value"]])

    def score(self, counts):
        return {"total": float(counts[0])}


def samples_of(values):
    return [{"value": value, "img_path": f"{value}.png"} for value in values]


def test_images_add_up_over_batches_and_each_evaluation_starts_anew():
    metric = TotalMetric()
    for values in ([1, 2], [3], [4, 5]):
        metric.process({}, samples_of(values))
    assert metric.evaluate(5) == {"total": 15.0}
    metric.process({}, samples_of([7]))
    assert metric.evaluate(1) == {"total": 7.0}
    assert metric.evaluate(0) == {"total": 0.0}


def test_what_cannot_be_counted_names_the_file_and_the_settings_stay_as_they_are():
    with pytest.raises(UserError, match=r"^-1\.png: Expected 0 or more\.$"):
        TotalMetric().process({}, samples_of([1, -1]))
    with pytest.raises(UserError, match=r"^masks/1\.png: Expected"):
        TotalMetric().process({}, [{"value": -1, "img_path": "1.png", "seg_map_path": "masks/1.png"}])
    with pytest.raises(UserError, match=r"^Set `large=True`\.$"):
        TotalMetric().process({}, samples_of([100]))


@pytest.mark.parametrize("num_processes", [1, 2, 3, 4])
@pytest.mark.parametrize("size", range(1, 9))
def test_every_image_counts_once_however_the_sampler_pads(monkeypatch, num_processes, size):
    rounds = -(-size // num_processes)
    padded = (list(range(size)) * num_processes)[: rounds * num_processes]
    counted = []
    for rank in range(num_processes):
        monkeypatch.setattr(summing_metric, "get_dist_info", lambda rank=rank: (rank, num_processes))
        indices = padded[rank::num_processes]
        counted += indices[: len(indices) - last_image_is_padding(len(indices), size)]
    assert sorted(counted) == list(range(size))
