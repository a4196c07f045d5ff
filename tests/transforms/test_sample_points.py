"""Points in a real pipeline: the same in every worker, process and place."""

import os
import pickle
import shutil

import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from mmseg_ext.datasets import LoveDADataset
from mmseg_ext.errors import UserError
from mmseg_ext.points.sampling import keep_points, seed_of_sample
from mmseg_ext.registry import TRANSFORMS
from mmseg_ext.transforms import SamplePoints

LABELS = np.random.default_rng(0).integers(0, 5, (20, 30)).astype(np.uint8)
LABELS[:4] = 255


def sample(transform, **results):
    results.setdefault("img_path", "/data/a/b.png")
    return transform({"gt_seg_map": LABELS.copy(), **results})["gt_seg_map"]


def dataset_of(root, **points):
    pipeline = [
        {"type": "LoadImageFromFile"},
        {"type": "LoadAnnotations"},
        {"type": "mmseg_ext.SamplePoints", "num_points": 5, **points},
        {"type": "PackSegInputs"},
    ]
    return LoveDADataset(str(root), pipeline=pipeline)


def label_maps(samples):
    maps = [s.gt_sem_seg.data.numpy() for s in samples]
    assert len(maps) == 12
    return maps


def in_process(dataset):
    return label_maps(dataset[i]["data_samples"] for i in range(len(dataset)))


def in_workers(dataset, num_workers):
    loader = DataLoader(dataset, batch_size=3, num_workers=num_workers, collate_fn=pseudo_collate)
    return label_maps(s for batch in loader for s in batch["data_samples"])


@pytest.mark.parametrize(("per", "strategy"), [("image", "uniform"), ("image", "class_balanced"), ("class", "uniform")])
def test_keeps_the_points_of_seed_and_name(per, strategy):
    for seed, name in ((0, "a/b.png"), (3, "a/b.png"), (0, "c.png")):
        points = sample(SamplePoints(7, per, strategy, seed), img_name=name)
        expected = keep_points(LABELS, 7, seed_of_sample(seed, name), per, strategy)
        np.testing.assert_array_equal(points, expected)
        assert (points != 255).sum() == (35 if per == "class" else 7)


def test_the_same_in_every_epoch_worker_and_process(loveda_root, mmseg_scope):
    dataset = dataset_of(loveda_root)
    np.random.seed(0)
    first = in_process(dataset)
    assert [int((m != 255).sum()) for m in first] == [5] * 12
    np.random.seed(1)
    for again in (
        in_process(dataset),
        in_workers(dataset, 0),
        in_workers(dataset, 2),
        in_workers(dataset, 2),
        in_process(pickle.loads(pickle.dumps(dataset))),
    ):
        np.testing.assert_array_equal(again, first)
    assert len({m.tobytes() for m in first}) == 12


def test_the_same_wherever_the_data_lies(loveda_root, tmp_path, monkeypatch, mmseg_scope):
    expected = in_process(dataset_of(loveda_root))
    shutil.copytree(loveda_root, tmp_path / "elsewhere" / "copy")
    np.testing.assert_array_equal(in_process(dataset_of(tmp_path / "elsewhere" / "copy")), expected)
    os.symlink(loveda_root, tmp_path / "link")
    np.testing.assert_array_equal(in_process(dataset_of(tmp_path / "link")), expected)
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(in_process(dataset_of("loveda", data_root="loveda")), expected)


def test_budgets_seeds_and_images(loveda_root, mmseg_scope):
    five, nine = in_process(dataset_of(loveda_root)), in_process(dataset_of(loveda_root, num_points=9))
    other = in_process(dataset_of(loveda_root, seed=1))
    for few, more, differs in zip(five, nine, other, strict=True):
        assert int((more != 255).sum()) == 9
        np.testing.assert_array_equal(few[few != 255], more[few != 255])
        assert not np.array_equal(few, differs)


def test_stock_datasets_need_the_data_root(tmp_path):
    image = str(tmp_path / "root" / "a" / "b.png")
    with pytest.raises(UserError) as caught:
        sample(SamplePoints(5), img_path=image)
    assert image in str(caught.value)
    assert "SamplePoints(data_root=…)" in str(caught.value)
    expected = sample(SamplePoints(5), img_path=image, img_name="a/b.png")
    for root in (str(tmp_path / "root"), f"{tmp_path}/root/", f"{tmp_path}/other/../root"):
        np.testing.assert_array_equal(sample(SamplePoints(5, data_root=root), img_path=image), expected)
    for root in (tmp_path / "other", tmp_path / "roo"):
        with pytest.raises(UserError, match="Expected images below SamplePoints") as caught:
            sample(SamplePoints(5, data_root=str(root)), img_path=image)
        assert image in str(caught.value)


def test_relative_roots_and_paths_mean_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = sample(SamplePoints(5), img_name="a/b.png")
    transform = SamplePoints(5, data_root="data/set")
    for path in ("data/set/a/b.png", "./data/set/a/b.png", str(tmp_path / "data/set/a/b.png")):
        np.testing.assert_array_equal(sample(transform, img_path=path), expected)


def test_an_image_that_is_a_symbolic_link_keeps_its_own_name(tmp_path):
    """Data sets are often links into a store; the name is where the image lies, not what the link points to."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "3f2a.png").write_bytes(b"")
    (tmp_path / "root" / "a").mkdir(parents=True)
    os.symlink(tmp_path / "store" / "3f2a.png", tmp_path / "root" / "a" / "b.png")
    points = sample(SamplePoints(5, data_root=str(tmp_path / "root")), img_path=str(tmp_path / "root/a/b.png"))
    np.testing.assert_array_equal(points, sample(SamplePoints(5), img_name="a/b.png"))


def test_resample_draws_anew_and_obeys_the_global_seed():
    transform = SamplePoints(7, resample=True)
    np.random.seed(0)
    first = [sample(transform) for _ in range(5)]
    np.random.seed(0)
    np.testing.assert_array_equal([sample(transform) for _ in range(5)], first)
    assert len({m.tobytes() for m in first}) == 5
    for points in first:
        kept = points != 255
        assert kept.sum() == 7
        np.testing.assert_array_equal(points[kept], LABELS[kept])


def test_without_resample_no_random_number_is_drawn():
    np.random.seed(0)
    expected = np.random.rand()
    np.random.seed(0)
    sample(SamplePoints(7), img_name="a.png")
    assert np.random.rand() == expected


def test_resampled_workers_do_not_draw_the_same(loveda_root, mmseg_scope):
    """Each worker's NumPy generator is seeded by mmengine's worker_init_fn; the transform must use that one."""

    def seed_worker(worker_id):
        np.random.seed(worker_id)

    dataset = dataset_of(loveda_root, resample=True)
    loader = DataLoader(dataset, batch_size=6, num_workers=2, collate_fn=pseudo_collate, worker_init_fn=seed_worker)
    first, second = (label_maps(s for batch in loader for s in batch["data_samples"]) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    positions = {(m != 255).tobytes() for m in first}
    assert len(positions) == 12


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ({"num_points": 0}, ["`num_points`", "a positive int", "0"]),
        ({"num_points": -3}, ["`num_points`", "-3"]),
        ({"num_points": 1, "per": "pixel"}, ["`per`", "'image' or 'class'", "'pixel'"]),
        ({"num_points": 1, "strategy": "balanced"}, ["`strategy`", "'uniform' or 'class_balanced'", "'balanced'"]),
        ({"num_points": 1, "per": "class", "strategy": "class_balanced"}, ["strategy='uniform'", "per='class'"]),
    ],
)
def test_wrong_arguments(arguments, parts):
    with pytest.raises(UserError) as caught:
        TRANSFORMS.build({"type": "mmseg_ext.SamplePoints", **arguments})
    for part in parts:
        assert part in str(caught.value)


def test_repr_says_what_the_points_are():
    text = repr(SamplePoints(20, strategy="class_balanced", seed=3))
    assert text == "SamplePoints(num_points=20, per='image', strategy='class_balanced', seed=3, resample=False)"
