"""Dumped configs are read as data and never run."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_logs import MadeRun

from mmseg_ext.tables.config_source import base_name, parse_chunks, split_assignments
from mmseg_ext.tables.dataset_names import dataset_from_type, dataset_from_words, factor_from_words
from mmseg_ext.tables.run_settings import read_settings


def settings_of(**config: object) -> object:
    return read_settings(MadeRun(config=config).config_source())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mmseg_ext.LoveDADataset", "loveda"),
        ("LoveDADataset", "loveda"),
        ("mmseg_ext.DubaiAerialDataset", "dubai"),
        ("ADE20KDataset", "ade20"),
        ("mmseg_ext.DownsampledADE20KDataset", "ade20"),
        ("mmseg_ext.BinaryMaskDataset", "binary_mask"),
        ("mmseg_ext.DeepGlobeLandCoverDataset", "deep_globe_land_cover"),
        ("CityscapesDataset", "cityscapes"),
        ("PascalVOCDataset", "pascal_voc"),
        ("PascalContextDataset59", "pascal_context59"),
        ("COCOStuffDataset", "coco_stuff"),
        ("iSAIDDataset", "isaid"),
        ("../../etc/passwd", "etc_passwd"),
    ],
)
def test_dataset_of_a_type(name: str, expected: str) -> None:
    assert dataset_from_type(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("knet-s3_swin-l_upernet_1xb16-adamw-80k_ade20kds4-512x512", ("ade20", 4)),
        ("linear_dinov2-vitb14_1xb16-40k_loveda-518x518-20pts", ("loveda", None)),
        ("fcn_hr18_dubai-fold0", ("dubai", None)),
        ("shade_of_grey", ("", None)),
    ],
)
def test_dataset_of_words(name: str, expected: tuple[str, int | None]) -> None:
    assert (dataset_from_words(name), factor_from_words(name)) == expected


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        ("", "all"),
        ("\n            dict(num_points=20, per='image', type='mmseg_ext.SamplePoints'),", "20 pts/image"),
        ("\n            dict(num_points=5, per='class', type='mmseg_ext.SamplePoints'),", "5 pts/class"),
        ("\n            dict(type='mmseg_ext.SamplePoints', num_points=1),", "1 pt/image"),
        ("\n            dict(type='mmseg_ext.SamplePoints', num_points=2, resample=True),", "2 pts/image, redrawn"),
        ("\n            dict(file='points.csv', type='mmseg_ext.LoadPointAnnotations'),", "clicked points"),
        (
            "\n            dict(type='SamplePoints', num_points=2), dict(type='GrowPoints'),"
            " dict(type='WeighLabels', areas='a.json'),",
            "2 pts/image, grown, weighed",
        ),
        ("\n            [dict(transforms=[dict(num_points=3, type='SamplePoints')], type='X')],", "3 pts/image"),
    ],
)
def test_label_budget(transform: str, expected: str) -> None:
    assert settings_of(extra_transform=transform).labels == expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("None", "all"),
        ("dict(num_points=20)", "20 pts/image"),
        ("dict(num_points=20, per='class', strategy='uniform', seed=3)", "20 pts/class"),
        ("dict(num_points=1, resample=True)", "1 pt/image, redrawn"),
        ("dict(num_points=1, resample=False, file=None)", "1 pt/image"),
        ("dict(file='points.csv', classes=['a', 'b'], allow_empty=True)", "clicked points"),
        ("dict(areas='areas.json', file='points.csv')", "clicked points, weighed"),
        ("dict(num_points=2, areas='areas.json', grow=dict(radius=16, tolerance=12))", "2 pts/image, grown, weighed"),
        ("dict(num_points=2, grow=dict())", "2 pts/image, grown"),
    ],
)
def test_label_budget_of_a_dataset(labels: str, expected: str) -> None:
    assert settings_of(dataset=f"labels={labels}, split='train'").labels == expected


def test_labels_of_a_dataset_in_a_wrapper_and_without_a_pipeline() -> None:
    dataset = "dict(type='RepeatDataset', dataset=dict(type='A', labels=dict(num_points=3)))"
    assert read_settings(f"train_dataloader = dict(dataset={dataset})\n").labels == "3 pts/image"


@pytest.mark.parametrize(
    ("backbone", "head", "expected"),
    [
        (
            "dict(type='mmseg_ext.DINO', arch='dinov2_vitb14')",
            "dict(type='mmseg_ext.LinearHead')",
            ("dinov2_vitb14", "LinearHead"),
        ),
        (
            "dict(type='ResNetV1c', depth=50)",
            "[dict(type='FCNHead'), dict(type='PSPHead')]",
            ("ResNetV1c-50", "FCNHead + PSPHead"),
        ),
        (
            "dict(type='SMPBackbone', arch='Unet', encoder_name='resnet34')",
            "dict(type='IterativeDecodeHead', kernel_generate_head=dict(type='UPerHead'))",
            ("SMPBackbone Unet", "IterativeDecodeHead + UPerHead"),
        ),
        ("dict(type=some_variable)", "None", ("", "")),
    ],
)
def test_models(backbone: str, head: str, expected: tuple[str, str]) -> None:
    settings = settings_of(backbone=backbone, head=head)
    assert (settings.backbone, settings.head) == expected


def test_factor_crop_batch_and_schedule() -> None:
    made = MadeRun(
        config={"dataset_type": "mmseg_ext.DownsampledADE20KDataset", "dataset": "factor=4", "batch_size": 16}
    )
    settings = read_settings(made.config_source().replace("type='OptimWrapper'", "accumulative_counts=2"))
    assert (settings.dataset, settings.factor, settings.crop) == ("ade20", 4, "64x64")
    assert (settings.batch_size, settings.max_steps, settings.val_interval) == (32, 200, 100)
    settings = settings_of(dataset="data_root='data/ade/ADEChallengeData2016_ds_8'")
    assert settings.factor == 8


def test_a_config_is_never_run(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    source = (
        f"import os\nmodel = dict(type='A', x=open({str(trap)!r}, 'w'))\n"
        f"train_cfg = dict(max_iters=7, y=[i for i in (open({str(trap)!r}, 'w'),)])\n"
        "seed = (lambda: 1)()\nruns = range(10**12)\n" + f"exec('open({str(trap)!r}, \"w\")')\n"
    )
    settings = read_settings(source)
    assert (settings.max_steps, settings.seed) == (7, None)
    assert not trap.exists()


@pytest.mark.parametrize("source", ["", "\n", "model = dict(", "x" * 10000, "model = " + "(" * 5000, "\0\0", "= 1\n"])
def test_a_broken_config_says_nothing(source: str) -> None:
    assert read_settings(source).max_steps is None


def test_a_cut_config_invents_nothing() -> None:
    source = MadeRun(max_steps=80000, seed=1234, config={"batch_size": 16}).config_source()
    whole = read_settings(source)
    for cut in range(len(source)):
        settings = read_settings(source[:cut])
        assert settings.max_steps in (None, 80000)
        assert settings.seed in (None, 1234)
        assert settings.batch_size in (None, 16)
        assert settings.work_dir in ("", whole.work_dir)
        assert settings.labels in ("", "all")


def test_windows_paths() -> None:
    assert base_name("C:\\Users\\me\\fcn_loveda.py") == "fcn_loveda"
    config = parse_chunks(split_assignments("work_dir = 'C:\\Users\\new'\ndata_root = 'D:\\\\x'\n"))
    assert config == {"work_dir": "C:/Users/new", "data_root": "D:\\x"}


def test_values_over_several_lines() -> None:
    source = "a = 1\nb = dict(\n    c=[\n        1,\n    ])\n\nd = '''x\ny = 2\n'''\n"
    assert [name for name, _ in split_assignments(source)] == ["a", "b", "d", "y"]
    assert parse_chunks(split_assignments(source)) == {"a": 1, "b": {"c": [1]}}


def test_seed_and_fold_are_left_out_of_the_fingerprints() -> None:
    def prints(seed: int, fold: int, crop: str = "64, 64") -> tuple[str, str]:
        made = MadeRun(seed=seed, config={"dataset": f"fold={fold}", "crop": crop, "work_dir": f"w{seed}{fold}"})
        settings = read_settings(made.config_source())
        return settings.fingerprint, settings.fold_fingerprint

    assert prints(1, 0) == prints(2, 0)
    assert prints(1, 0)[0] != prints(1, 1)[0]
    assert prints(1, 0)[1] == prints(2, 1)[1]
    assert prints(1, 0)[1] != prints(1, 0, "32, 32")[1]
