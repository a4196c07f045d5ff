"""What the pages say works: their code runs, their commands name files that exist."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import shapely
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope
from mmseg.registry import DATASETS
from PIL import Image

from mmseg_ext.errors import UserError
from mmseg_ext.registry import DATASETS as OUR_DATASETS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("configs/*/README.md")])


def code_blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.S)


def test_the_dataset_of_the_page_reads_ponds(tmp_path):
    (code,) = code_blocks("docs/new_dataset.md", "python")
    init_default_scope("mmseg")
    try:
        exec(compile(code, "docs/new_dataset.md", "exec"), {"__name__": "ponds"})
        root = tmp_path / "ponds"
        for kind, values in (("images", np.zeros((4, 5, 3))), ("masks", np.eye(4, 5) + 254 * np.eye(4, 5, 1))):
            (root / "train" / kind).mkdir(parents=True)
            for name in ("b.png", "a.png"):
                Image.fromarray(values.astype(np.uint8)).save(root / "train" / kind / name)
        pipeline = [{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}]
        config = {"type": "mmseg_ext.PondsDataset", "data_root": str(root), "pipeline": pipeline}
        dataset = DATASETS.build(config)
        assert [dataset.get_data_info(i)["img_name"] for i in (0, 1)] == ["train/images/a.png", "train/images/b.png"]
        assert dataset.metainfo["classes"] == ("land", "water")
        labels_HW = dataset[0]["gt_seg_map"]
        assert labels_HW[0].tolist() == [1, 254, 0, 0, 0]
        with pytest.raises(UserError, match=r"Expected the folder .*val/images, found none. Unpack ponds\.zip there"):
            DATASETS.build({**config, "split": "val"})
    finally:
        OUR_DATASETS._module_dict.pop("PondsDataset", None)


def test_the_leaf_of_the_page_differs_as_it_says(tmp_path):
    (code,) = code_blocks("docs/new_run.md", "python")
    base = re.search(r'_base_ = "(.*?)"', code).group(1)
    leaf = tmp_path / "leaf.py"
    leaf.write_text(code.replace(base, str(ROOT / "configs" / "demo" / base)))
    steps = [step.type for step in Config.fromfile(leaf).train_dataloader.dataset.pipeline]
    whole = [step.type for step in Config.fromfile(ROOT / "configs" / "demo" / base).train_dataloader.dataset.pipeline]
    assert "mmseg_ext.PhotoMetricDistortion" in whole
    assert steps == [step for step in whole if step != "mmseg_ext.PhotoMetricDistortion"]


def test_the_config_of_the_readme_is_the_leaf_it_shows(tmp_path):
    (code,) = code_blocks("README.md", "python")
    shown = tmp_path / "shown.py"
    base = re.search(r'_base_ = "(.*?)"', code).group(1)
    shown.write_text(code.replace(base, str(ROOT / "configs" / "fpn" / base)))
    leaf = Config.fromfile(ROOT / "configs" / "fpn" / base.replace(".py", "-20pts.py"))
    found = Config.fromfile(shown)
    assert found._cfg_dict == leaf._cfg_dict


BASE_OF_FOLDERS = """
train_pipeline = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations")]
test_pipeline = [*train_pipeline, dict(type="PackSegInputs")]
train_dataloader = dict(dataset=dict(type="of the base"))
val_dataloader = dict(dataset=dict(type="of the base"))
test_dataloader = dict(dataset=dict(type="of the base"))
"""


def test_the_recipes_for_folders_split_read_and_put_on_the_map(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    datasets, unlabelled, _api, tiles = code_blocks("docs/folders.md", "python")
    for root, kinds in (("fields", ("images", "masks")), ("unlabelled", ("images",))):
        for kind in kinds:
            folder = tmp_path / "data" / root / kind
            folder.mkdir(parents=True)
            for n in range(10):
                suffix = "jpg" if kind == "images" else "png"
                Image.fromarray(np.zeros((4, 5, 3) if kind == "images" else (4, 5), np.uint8)).save(
                    folder / f"{n}.{suffix}"
                )
    (tmp_path / "base.py").write_text(BASE_OF_FOLDERS)
    (tmp_path / "leaf.py").write_text(f'_base_ = "./base.py"\n{datasets}')
    (tmp_path / "blind.py").write_text(f'_base_ = "./base.py"\n{unlabelled}')
    leaf, blind = (Config.fromfile(tmp_path / name) for name in ("leaf.py", "blind.py"))
    with DefaultScope.overwrite_default_scope("mmseg"):
        train, val = (DATASETS.build(leaf[f"{name}_dataloader"].dataset) for name in ("train", "val"))
        assert (len(train), len(val)) == (8, 2)
        paths = [{split.get_data_info(i)["img_path"] for i in range(len(split))} for split in (train, val)]
        assert not paths[0] & paths[1]
        assert train[0]["gt_seg_map"].shape == (4, 5)
        test = DATASETS.build(blind.test_dataloader.dataset)
        assert len(test) == 10
        assert "gt_sem_seg" not in test[0]["data_samples"]

    # Two neighbours at zoom 1, each half foreground at their common edge, and the whole map as one square.
    for x, side in ((0, slice(128, 256)), (1, slice(0, 128))):
        (tmp_path / "predictions" / "1" / str(x)).mkdir(parents=True)
        mask = np.zeros((256, 256), np.uint8)
        mask[:, side] = 1
        Image.fromarray(mask).save(tmp_path / "predictions" / "1" / str(x) / "0.png")
    exec(compile(tiles, "tiles", "exec"), {})
    (feature,) = json.loads((tmp_path / "polygons.geojson").read_text())["features"]
    square = shapely.geometry.shape(feature["geometry"])
    edge = 20037508.343  # metres: half the equator of Web Mercator
    assert square.geom_type == "Polygon"
    assert square.bounds == pytest.approx((-edge / 2, 0, edge / 2, edge), abs=0.01)
    assert square.area == pytest.approx(edge * edge, rel=1e-6)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_named_files_exist(page):
    text = page.read_text()
    links = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    missing = [target for target in links if not (page.parent / target).exists()]
    commands = re.findall(r"python ((?:tools|benchmarks)/\w+\.py|extract_tables\.py)", text)
    missing += [name for name in commands if not (ROOT / name).is_file()]
    configs = re.findall(r"configs/[\w./-]+\.py", text)
    examples = {"configs/demo/fpn_r18w32_1xb8-600_lovedademo-128x128-nocolor.py", "configs/_base_/datasets/ponds.py"}
    missing += [name for name in configs if name not in examples and not (ROOT / name).is_file()]
    assert missing == []


def test_the_example_of_intervals_runs(capsys):
    (code,) = code_blocks("docs/intervals.md", "python")
    exec(compile(code, "docs/intervals.md", "exec"), {})
    first, second, third, _ = capsys.readouterr().out.split("\n", 3)
    assert "] over 10 groups of images" in first
    assert second.startswith("+")
    assert third.startswith("smallest difference: ")
