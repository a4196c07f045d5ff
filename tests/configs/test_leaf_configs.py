"""Every leaf config loads, builds, and bears a name that tells the truth. No data are needed."""

import ast
import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.evaluator import Evaluator
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS
from mmseg.registry import DATASETS, HOOKS, MODELS, VISUALIZERS

from mmseg_ext.engine.launch import replace_sync_batchnorm

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
LEAVES = sorted(p for p in CONFIGS.rglob("*.py") if "_base_" not in p.relative_to(CONFIGS).parts)
AT_LEAST = 4
# {head}_{backbone}_{gpus}xb{batch}-{schedule}_{dataset}[ds{factor}]-{H}x{W}[-{labels}]
NAME = re.compile(
    r"[a-z0-9.-]+(_[a-z0-9.-]+)+"
    r"_(?P<gpus>\d+)xb(?P<batch>\d+)-(?:[a-z0-9.-]+-)?(?P<length>\d+)(?P<unit>k|e?)"
    r"_[a-z0-9]+-(?P<height>\d+)x(?P<width>\d+)(?:-(?P<labels>[a-z0-9.-]+))?"
)

pytestmark = pytest.mark.usefixtures("mmseg_scope")
every_leaf = pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.relative_to(CONFIGS).as_posix())


def steps_of(config):
    return {step["type"].rpartition(".")[2]: step for step in config.train_dataloader.dataset.pipeline}


def bases_of(path):
    """The files that a config names in ``_base_``."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "_base_":
            names = ast.literal_eval(node.value)
            return [(path.parent / name).resolve() for name in ([names] if isinstance(names, str) else names)]
    return []


def heads_of(model):
    for name in ("decode_head", "auxiliary_head"):
        heads = model.get(name) or []
        for head in heads if isinstance(heads, (list, tuple)) else [heads]:
            yield head.get("kernel_generate_head", head)  # K-Net's stages refine what that head predicts


def test_leaves_are_found_and_their_names_differ():
    assert len(LEAVES) >= AT_LEAST
    names = [path.stem for path in LEAVES]
    assert len(set(names)) == len(names)  # the work dir is named after the file


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.py")), ids=lambda path: path.relative_to(CONFIGS).as_posix())
def test_a_config_says_what_it_is_and_asks_for_no_other_package(path):
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "a config begins with a docstring"
    assert "mmseg::" not in text
    assert "mmdet::" not in text


@every_leaf
def test_a_leaf_stands_on_bases_or_on_one_leaf_that_does(path):
    bases = bases_of(path)
    assert bases
    assert all(base.is_file() for base in bases)
    leaves = [base for base in bases if base in LEAVES]
    assert len(leaves) <= 1
    assert not any(base in LEAVES for leaf in leaves for base in bases_of(leaf))


@every_leaf
def test_the_name_follows_the_scheme_and_tells_the_truth(path):
    match = NAME.fullmatch(path.stem)
    assert match, f"expected {{head}}_{{backbone}}_{{gpus}}xb{{batch}}-{{schedule}}_{{dataset}}-{{H}}x{{W}}, got {path}"
    config = Config.fromfile(path)
    assert config.train_dataloader.batch_size == int(match["batch"])
    length = int(match["length"]) * (1000 if match["unit"] == "k" else 1)
    assert length == config.train_cfg["max_epochs" if match["unit"] == "e" else "max_iters"]
    size = (int(match["height"]), int(match["width"]))
    assert tuple(config.crop_size) == size
    steps = steps_of(config)
    points = re.fullmatch(r"(\d+)pts", match["labels"] or "")
    assert bool(points) == ("SamplePoints" in steps and steps["SamplePoints"].get("per", "image") == "image")
    if points:
        assert steps["SamplePoints"]["num_points"] == int(points[1])


@every_leaf
def test_every_part_builds(path):
    config = Config.fromfile(path)
    assert config.default_scope == "mmseg"
    replace_sync_batchnorm(config)
    num_classes = None
    for split in ("train", "val", "test"):
        dataset = DATASETS.build({**config[f"{split}_dataloader"].dataset, "lazy_init": True})
        assert dataset.pipeline.transforms
        num_classes = len(dataset.metainfo["classes"])
        assert len(dataset.metainfo["palette"]) == num_classes
    if "tta_pipeline" in config:
        assert len(Compose(config.tta_pipeline).transforms) == len(config.tta_pipeline)
    for split in ("val", "test"):
        assert Evaluator(config[f"{split}_evaluator"]).metrics
    assert [head.num_classes for head in heads_of(config.model)] == [num_classes] * len(list(heads_of(config.model)))

    model = MODELS.build(config.model)
    if config.optim_wrapper.type == "AmpOptimWrapper" and not torch.cuda.is_available():
        config.optim_wrapper.type = "OptimWrapper"  # mmengine builds the other on a GPU alone
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    trained = {id(p) for group in wrapper.param_groups for p in group["params"]}
    assert {id(p) for p in model.parameters() if p.requires_grad} <= trained
    schedulers = config.param_scheduler
    for scheduler in schedulers if isinstance(schedulers, list) else [schedulers]:
        PARAM_SCHEDULERS.build({**scheduler, "optimizer": wrapper.optimizer})
    VISUALIZERS.build({**config.visualizer, "name": path.stem, "vis_backends": None})  # a hook asks for the current one
    for hook in [*config.default_hooks.values(), *config.get("custom_hooks", [])]:
        HOOKS.build(hook)


@every_leaf
def test_the_schedule_ends_with_the_training(path):
    config = Config.fromfile(path)
    length = config.train_cfg.get("max_iters", config.train_cfg.get("max_epochs"))
    assert max(scheduler.get("end", length) for scheduler in config.param_scheduler) == length
    assert length % config.train_cfg.val_interval == 0, "the last iteration is evaluated"


@every_leaf
def test_crops_are_padded_to_their_own_size_with_what_is_ignored(path):
    config = Config.fromfile(path)
    preprocessor = config.model.data_preprocessor
    assert (preprocessor.mean, preprocessor.std) == ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375])
    assert (preprocessor.bgr_to_rgb, preprocessor.pad_val, preprocessor.seg_pad_val) == (True, 0, 255)
    steps = steps_of(config)
    crop = steps.get("RandomCrop") or steps["PointAwareRandomCrop"]
    assert tuple(preprocessor.size) == tuple(crop["crop_size"]) == tuple(config.crop_size)


@every_leaf
def test_labels_that_are_points_survive_the_geometry(path):
    steps = steps_of(Config.fromfile(path))
    if "SamplePoints" in steps:
        grown = "GrowPoints" in steps  # then labels are regions, which stock resizing keeps
        assert steps["RandomResize"].get("resize_type") == (None if grown else "mmseg_ext.PointSafeResize")
        assert "PointAwareRandomCrop" in steps
        names = list(steps)
        assert names.index("SamplePoints") == 2, "right after the labels are loaded"
        assert not grown or names.index("GrowPoints") == 3, "before anything changes the image"
