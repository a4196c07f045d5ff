"""`labels=` on a dataset against the same steps written into its pipeline, sample by sample."""

import json

import numpy as np
import pytest
from mmengine.registry import DATASETS as ROOT_DATASETS
from mmseg.registry import DATASETS
from PIL import Image

from mmseg_ext.errors import UserError
from mmseg_ext.points.point_files import Point, write_points

pytestmark = pytest.mark.usefixtures("mmseg_scope")

GEOMETRY = {"scale": (24, 18), "ratio_range": (0.5, 2.0), "keep_ratio": True}
CLASSES = ("background", "building", "road", "water", "barren", "forest", "agricultural")
SEEDS = range(30)


def load(kind="mmseg_ext.LoadAnnotations"):
    return [{"type": "mmseg_ext.LoadImageFromFile"}, {"type": kind}]


def finish():
    return [{"type": "mmseg_ext.RandomFlip", "prob": 0.5}, {"type": "mmseg_ext.PackSegInputs"}]


def with_labels(root, labels, cat_max_ratio=0.75, **settings):
    steps = [
        {"type": "mmseg_ext.RandomResize", **GEOMETRY},
        {"type": "mmseg_ext.RandomCrop", "crop_size": (9, 9), "cat_max_ratio": cat_max_ratio},
    ]
    pipeline = [*load(), *steps, *finish()]
    return DATASETS.build(
        {"type": "mmseg_ext.LoveDADataset", "data_root": str(root), "labels": labels, "pipeline": pipeline, **settings}
    )


def with_steps(root, loading, grown=False, cat_max_ratio=0.75):
    resize = {"type": "RandomResize", **GEOMETRY, "resize_type": "Resize" if grown else "mmseg_ext.PointSafeResize"}
    crop = {"type": "mmseg_ext.PointAwareRandomCrop", "crop_size": (9, 9), "cat_max_ratio": cat_max_ratio}
    pipeline = [*loading, resize, crop, *finish()]
    return DATASETS.build({"type": "mmseg_ext.LoveDADataset", "data_root": str(root), "pipeline": pipeline})


def assert_same_samples(ours, explicit):
    sizes = set()
    for seed in SEEDS:
        index = seed % len(ours)
        np.random.seed(seed)
        mine = ours[index]
        state = np.random.get_state()[1].copy()
        np.random.seed(seed)
        theirs = explicit[index]
        np.testing.assert_array_equal(np.random.get_state()[1], state)  # as many numbers were drawn
        assert mine["inputs"].equal(theirs["inputs"])
        mine, theirs = mine["data_samples"], theirs["data_samples"]
        assert mine.gt_sem_seg.data.equal(theirs.gt_sem_seg.data)
        labelled = int((mine.gt_sem_seg.data != 255).sum())
        assert labelled > 0
        weights = [sample.metainfo.get("label_weights") for sample in (mine, theirs)]
        assert (weights[0] is None) == (weights[1] is None)
        if weights[0] is not None:
            np.testing.assert_array_equal(*weights)
        sizes.add((tuple(mine.img_shape), labelled))
    assert len(sizes) > 2


@pytest.fixture
def areas(loveda_root, tmp_path):
    images = [p.relative_to(loveda_root).as_posix() for p in loveda_root.glob("Train/*/images_png/*.png")]
    path = tmp_path / "areas.json"
    path.write_text(
        json.dumps({"classes": CLASSES, "images": {name: [n / 28 for n in range(1, 8)] for name in images}})
    )
    return str(path)


@pytest.fixture
def points(loveda_root, tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "points.csv"
    names = [p.relative_to(loveda_root).as_posix() for p in sorted(loveda_root.glob("*/*/images_png/*.png"))]
    rows = [Point(n, int(rng.integers(16)), y, CLASSES[int(rng.integers(7))]) for n in names for y in (1, 4, 8, 11)]
    write_points(path, rows)
    return str(path)


SAMPLING = [
    {"num_points": 5},
    {"num_points": 2, "per": "class", "seed": 3},
    {"num_points": 5, "strategy": "class_balanced"},
    {"num_points": 5, "resample": True},
]


@pytest.mark.parametrize("labels", SAMPLING, ids=str)
@pytest.mark.parametrize("cat_max_ratio", [0.75, 1.0])
def test_sampled_points_are_those_of_the_explicit_pipeline(loveda_root, labels, cat_max_ratio):
    explicit = with_steps(loveda_root, [*load(), {"type": "mmseg_ext.SamplePoints", **labels}], False, cat_max_ratio)
    assert_same_samples(with_labels(loveda_root, labels, cat_max_ratio), explicit)


def test_grown_and_weighed_points_are_those_of_the_explicit_pipeline(loveda_root, areas):
    grow = {"radius": 3, "tolerance": 60}
    steps = [{"type": "mmseg_ext.SamplePoints", "num_points": 4}, {"type": "mmseg_ext.GrowPoints", **grow}]
    weigh = {"type": "mmseg_ext.WeighLabels", "areas": areas}
    labels = {"num_points": 4, "grow": grow}
    assert_same_samples(with_labels(loveda_root, labels), with_steps(loveda_root, [*load(), *steps], grown=True))
    explicit = with_steps(loveda_root, [*load(), *steps, weigh], grown=True)
    assert_same_samples(with_labels(loveda_root, {**labels, "areas": areas}), explicit)
    explicit = with_steps(loveda_root, [*load(), steps[0], weigh])
    assert_same_samples(with_labels(loveda_root, {"num_points": 4, "areas": areas}), explicit)


def test_clicked_points_are_those_of_the_explicit_pipeline_and_need_no_masks(loveda_root, points):
    loader = {"type": "mmseg_ext.LoadPointAnnotations", "file": points, "classes": CLASSES}
    explicit = with_steps(loveda_root, [load()[0], loader])
    for mask in loveda_root.glob("*/*/masks_png/*.png"):
        mask.unlink()
    ours = with_labels(loveda_root, {"file": points})
    assert "seg_map_path" not in ours.get_data_info(0)
    assert ours.label_budget.classes == CLASSES
    assert_same_samples(ours, explicit)
    with pytest.raises(UserError, match="Expected the mask"):
        with_labels(loveda_root, {"num_points": 3})
    on_test = with_labels(loveda_root, {"file": points}, split="test")
    assert int((on_test[0]["data_samples"].gt_sem_seg.data != 255).sum()) > 0
    with pytest.raises(UserError, match="masks to sample points from"):
        with_labels(loveda_root, {"num_points": 3}, split="test")


def test_chosen_classes_are_mapped(loveda_root, points):
    chosen = ("water", "road")
    ours = with_labels(loveda_root, {"file": points}, metainfo={"classes": chosen}, pipeline=[*load(), finish()[1]])
    whole = with_labels(loveda_root, {"file": points}, pipeline=[*load(), finish()[1]])
    for index in range(len(ours)):
        few, many = (d[index]["data_samples"].gt_sem_seg.data for d in (ours, whole))
        for new, name in enumerate(chosen):
            assert (few == new).equal(many == CLASSES.index(name))


def test_samples_are_marked(loveda_root, points):
    for labels, mark in (
        (None, None),
        ({"num_points": 3}, "points"),
        ({"file": points}, "points"),
        ({"num_points": 3, "grow": True}, "regions"),
    ):
        dataset = with_labels(loveda_root, labels)
        assert dataset.get_data_info(0).get("sparse_labels") == mark
        assert (dataset.label_budget is None) == (labels is None)


def test_validation_on_points_is_at_the_original_size(loveda_root, points):
    resize = {"type": "mmseg_ext.Resize", "scale": (40, 30)}
    pipeline = [load()[0], resize, load()[1], finish()[1]]
    by_file = with_labels(loveda_root, {"file": points}, split="val", pipeline=pipeline)
    sampled = with_labels(loveda_root, {"num_points": 6}, split="val", pipeline=pipeline)
    for dataset, count in ((by_file, 4), (sampled, 6)):
        sample = dataset[0]
        assert sample["inputs"].shape[1:] == (30, 40)
        labels = sample["data_samples"].gt_sem_seg.data
        assert labels.shape == (1, 12, 16)
        assert int((labels != 255).sum()) == count
    with pytest.raises(UserError, match="image of the size of its labels for GrowPoints"):
        with_labels(loveda_root, {"num_points": 6, "grow": True}, split="val", pipeline=pipeline)[0]


def test_each_part_of_a_concatenation_has_its_own(loveda_root):
    parts = [
        {
            "type": "mmseg_ext.LoveDADataset",
            "data_root": str(loveda_root),
            "scenes": [scene],
            "pipeline": [*load(), finish()[1]],
            **({"labels": {"num_points": count}} if count else {}),
        }
        for scene, count in (("urban", 2), ("rural", None))
    ]
    both = ROOT_DATASETS.build({"type": "ConcatDataset", "datasets": parts})
    counts = [int((both[i]["data_samples"].gt_sem_seg.data != 255).sum()) for i in range(len(both))]
    assert counts == [2] * 8 + [168] * 4


@pytest.mark.parametrize("masks", ["masks", None])
def test_a_folder_dataset_with_clicked_points_needs_no_masks(tmp_path, masks):
    (tmp_path / "images").mkdir()
    for name in ("a", "b"):
        Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(tmp_path / "images" / f"{name}.png")
    write_points(tmp_path / "p.csv", [Point(f"images/{n}.png", 1, 2, "ship") for n in ("a", "b")])
    dataset = DATASETS.build(
        {
            "type": "mmseg_ext.BinaryMaskDataset",
            "data_root": str(tmp_path),
            "foreground": "ship",
            "masks": masks,
            "labels": {"file": str(tmp_path / "p.csv")},
            "pipeline": [*load("mmseg_ext.LoadBinaryAnnotations"), finish()[1]],
        }
    )
    labels = dataset[1]["data_samples"].gt_sem_seg.data[0]
    assert labels[2, 1] == 1
    assert int((labels != 255).sum()) == 1


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("DownsampledADE20KDataset", {"factor": 1}),
        ("DeepGlobeLandCoverDataset", {}),
        ("DubaiAerialDataset", {}),
        ("DubaiBuildingsDataset", {}),
        ("LoveDADataset", {}),
        ("BinaryMaskDataset", {"data_root": "data"}),
        ("FolderDataset", {"data_root": "data", "classes": ["a", "b"]}),
    ],
)
def test_every_dataset_takes_labels(kind, settings):
    base = {"type": f"mmseg_ext.{kind}", "pipeline": load(), "lazy_init": True, **settings}
    dataset = DATASETS.build({**base, "labels": {"num_points": 20}})
    assert [type(t).__name__ for t in dataset.pipeline.transforms][2:] == ["SamplePoints"]
    with pytest.raises(UserError, match="Did you mean `num_points`"):
        DATASETS.build({**base, "labels": {"numpoints": 20}})
