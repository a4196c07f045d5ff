import itertools
import json

import numpy as np
import pytest
from mmengine.dist import get_dist_info
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmseg.registry import DATA_SAMPLERS

from mmseg_ext.engine.samplers.rare_class_sampler import RareClassSampler, images_of_classes
from mmseg_ext.errors import UserError
from mmseg_ext.statistics.dataset_statistics import rare_class_probabilities

PIXELS = {
    "a.png": [900, 100, 0],
    "b.png": [950, 50, 0],
    "c.png": [990, 0, 10],
    "d.png": [1000, 0, 0],
    "e.png": [0, 0, 0],
}


class Images:
    """A dataset of names alone."""

    data_root = None

    def __init__(self, names):
        self.names = names

    def __len__(self):
        return len(self.names)

    def get_data_info(self, index):
        return {"img_name": self.names[index], "img_path": f"root/{self.names[index]}"}


@pytest.fixture
def statistics(tmp_path):
    path = tmp_path / "statistics.json"
    others = {"other_fold.png": [0, 0, 10**9]}
    path.write_text(json.dumps({"format": 1, "classes": ["x", "y", "z"], "images": {**PIXELS, **others}}))
    return str(path)


class RecordImages(Hook):
    """Notes which images each batch holds."""

    seen: list = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.seen.append([sample.img_path for sample in data_batch["data_samples"]])


def build(statistics, **kwargs):
    return RareClassSampler(Images(list(PIXELS)), statistics, **{"seed": 0, "min_pixels": 60, **kwargs})


def first(sampler, number):
    return list(itertools.islice(iter(sampler), number))


def test_classes_come_as_often_as_the_formula_says(statistics):
    sampler = build(statistics, temperature=0.5)
    table = np.array(list(PIXELS.values()))
    probabilities = rare_class_probabilities(table.sum(0), 0.5)
    assert sampler.probabilities_C == pytest.approx(probabilities), "over this dataset's images alone"
    drawn = np.bincount(first(sampler, 20000), minlength=5) / 20000
    # Class x: a, b, c, d alike. Class y: a alone holds 60 pixels. Class z: nowhere 60, so c, which shows it.
    expected = probabilities[0] * np.array([1, 1, 1, 1, 0]) / 4
    expected[0] += probabilities[1]
    expected[2] += probabilities[2]
    spread = np.sqrt(expected * (1 - expected) / 20000)
    assert (np.abs(drawn - expected) <= 4 * spread + 1e-12).all()
    assert drawn[4] == 0, "an image without a label is never drawn"


def test_images_of_a_class_hold_enough_of_it_where_any_does():
    table = np.array(list(PIXELS.values()))
    assert [found.tolist() for found in images_of_classes(table, 60)] == [[0, 1, 2, 3], [0], [2]]
    assert [found.tolist() for found in images_of_classes(table[:2], 1)] == [[0, 1], [0, 1], []]


def test_the_sequence_is_fixed_by_the_seed_and_goes_on_after_a_resume(statistics):
    whole = first(build(statistics), 50)
    assert first(build(statistics), 50) == whole
    assert first(build(statistics, seed=1), 50) != whole
    resumed = build(statistics)
    resumed.skip(20)
    assert first(resumed, 30) == whole[20:]


def test_processes_take_turns_in_one_sequence(statistics, monkeypatch):
    whole = first(build(statistics), 30)
    for rank in range(3):
        monkeypatch.setattr("mmengine.dataset.sampler.get_dist_info", lambda rank=rank: (rank, 3))
        assert first(build(statistics), 10) == whole[rank::3]
    assert get_dist_info() == (0, 1)


def test_epochs_differ_and_have_their_length(statistics):
    sampler = build(statistics, epoch_length=40, temperature=0.5)
    assert len(sampler) == 40
    one = list(sampler)
    assert list(sampler) == one
    sampler.set_epoch(1)
    two = list(sampler)
    assert len(one) == len(two) == 40
    assert one != two
    assert len(build(statistics)) == 5


def test_the_registry_builds_it_from_the_scope_mmseg(statistics, mmseg_scope):
    config = {"type": "mmseg_ext.RareClassSampler", "statistics": statistics, "dataset": Images(["a.png"])}
    assert first(DATA_SAMPLERS.build(config), 3) == [0, 0, 0]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"temperature": 0}, "`temperature` to be a positive number, got 0"),
        ({"min_pixels": 0}, "`min_pixels` to be a positive int, got 0"),
        ({"epoch_length": 0}, "`epoch_length`"),
        ({"statistics": "nowhere.json"}, "found no file"),
        ({"dataset": Images(["new.png"])}, r"the image new\.png of the dataset in .*statistics\.json"),
    ],
)
def test_what_does_not_fit_is_refused(statistics, kwargs, message):
    with pytest.raises(UserError, match=message):
        RareClassSampler(**{"dataset": Images(list(PIXELS)), "statistics": statistics, "seed": 0, **kwargs})


def test_a_resumed_run_sees_the_images_of_one_that_was_never_cut_off(run_tiny, tiny_config, tmp_path, monkeypatch):
    from tools.dataset_stats import main

    out = tmp_path / "statistics.json"
    assert main([str(tiny_config), "--out", str(out)]) == 0
    options = {
        "train_dataloader.sampler": {"_delete_": True, "type": "mmseg_ext.RareClassSampler", "statistics": str(out)}
    }
    monkeypatch.setitem(HOOKS.module_dict, "RecordImages", RecordImages)
    length = {"train_cfg.val_interval": 3}
    hooks = [{"type": "RecordImages"}]
    monkeypatch.setattr(RecordImages, "seen", [])
    run_tiny(tmp_path / "whole", hooks, **options, **length, **{"train_cfg.max_iters": 6})
    whole = RecordImages.seen
    monkeypatch.setattr(RecordImages, "seen", [])
    run_tiny(tmp_path / "cut", hooks, **options, **length, **{"train_cfg.max_iters": 3})
    run_tiny(tmp_path / "cut", hooks, resume=True, **options, **length, **{"train_cfg.max_iters": 6})
    assert len(whole) == 6
    assert RecordImages.seen == whole
