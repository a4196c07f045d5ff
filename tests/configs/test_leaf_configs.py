"""Every leaf config loads, builds, tells its result, and bears a name that tells the truth. No data are needed."""

import ast
import copy
import functools
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
from mmseg_ext.engine.leaf_config import MODELS as NEW_RUN_MODELS
from mmseg_ext.points.label_budget import budget_of

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
LEAVES = sorted(p for p in CONFIGS.rglob("*.py") if "_base_" not in p.relative_to(CONFIGS).parts)
AT_LEAST = 20
# {head}_{backbone}_{gpus}xb{batch}-{schedule}_{dataset}[ds{factor}]-{H}x{W}[-{labels}]
NAME = re.compile(
    r"[a-z0-9.-]+(_[a-z0-9.-]+)+"
    r"_(?P<gpus>\d+)xb(?P<batch>\d+)-(?:[a-z0-9.-]+-)?(?P<length>\d+)(?P<unit>k|e?)"
    r"_[a-z0-9]+-(?P<height>\d+)x(?P<width>\d+)(?:-(?P<labels>[a-z0-9.-]+))?"
)

pytestmark = pytest.mark.usefixtures("mmseg_scope")
every_leaf = pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.relative_to(CONFIGS).as_posix())


@functools.cache
def read_once(path):
    return Config.fromfile(path)


def read_leaf(path):
    return copy.deepcopy(read_once(path))


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
    config = read_leaf(path)
    assert config.train_dataloader.batch_size == int(match["batch"])
    length = int(match["length"]) * (1000 if match["unit"] == "k" else 1)
    assert length == config.train_cfg["max_epochs" if match["unit"] == "e" else "max_iters"]
    size = (int(match["height"]), int(match["width"]))
    assert tuple(config.crop_size) == size
    budget = budget_of(config.train_dataloader.dataset)
    points = re.match(r"(\d+)(pts|ppc)\b", match["labels"] or "")
    assert bool(points) == (budget is not None)
    if points:
        assert budget.num_points == int(points[1])
        assert budget.per == {"pts": "image", "ppc": "class"}[points[2]]


@every_leaf
def test_every_part_builds(path):
    config = read_leaf(path)
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
    config = read_leaf(path)
    length = config.train_cfg.get("max_iters", config.train_cfg.get("max_epochs"))
    assert max((scheduler.get("end", length) for scheduler in config.param_scheduler), default=length) == length
    assert length % config.train_cfg.val_interval == 0, "the last iteration is evaluated"


@every_leaf
def test_crops_are_padded_to_their_own_size_with_what_is_ignored(path):
    config = read_leaf(path)
    preprocessor = config.model.data_preprocessor
    if config.model.type == "mmseg_ext.FeatureSegmentor":  # whole images, as the network was pretrained
        assert "RandomCrop" not in steps_of(config)
        assert steps_of(config)["Resize"]["scale"][1] == config.crop_size[0]
        assert config.train_dataloader.dataset.pipeline[2] == config.test_dataloader.dataset.pipeline[1]
    else:
        steps = steps_of(config)
        assert tuple(preprocessor.size) == tuple(steps["RandomCrop"]["crop_size"]) == tuple(config.crop_size)
    as_pretrained = ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375])
    if config.model.backbone.type == "mmseg_ext.EfficientNetLite":
        as_pretrained = ([127.0] * 3, [128.0] * 3)
    assert (preprocessor.mean, preprocessor.std) == as_pretrained
    assert (preprocessor.bgr_to_rgb, preprocessor.pad_val, preprocessor.seg_pad_val) == (True, 0, 255)


@every_leaf
def test_a_label_budget_needs_no_other_setting(path):
    """Only the recipes on Swin keep mmseg's losses, which average over all pixels; theirs is the guard's message."""
    config = read_leaf(path)
    losses = [head.get("loss_decode", []) for head in heads_of(config.model)]
    kinds = {loss.type for some in losses for loss in (some if isinstance(some, list) else [some])}
    ours = all(kind.startswith(("mmseg_ext.Partial", "mmseg_ext.Point")) for kind in kinds)
    assert ours != ("_swin-" in path.stem and bool(kinds))
    assert "SamplePoints" not in steps_of(config)
    if "RandomChoiceResize" not in steps_of(config):  # Mask2Former's, which names its drop-in
        config.merge_from_dict({"train_dataloader.dataset.labels": {"num_points": 20, "complete": None}})
        built = DATASETS.build({**config.train_dataloader.dataset, "lazy_init": True})
        assert type(built.pipeline.transforms[2]).__name__ == "SamplePoints", "right after the labels are loaded"


@every_leaf
def test_a_leaf_says_how_to_run_it_and_what_to_expect(path):
    text = ast.get_docstring(ast.parse(path.read_text()))
    name = path.relative_to(CONFIGS.parent).as_posix()
    assert re.search(rf"^python tools/(train|fit|cross_validate)\.py {re.escape(name)}( |$)", text, re.M)
    measured = re.search(r"^Measured: .*\(\d{4}-\d\d-\d\d, [^)]*\btorch\s\d", text, re.S | re.M)
    quoted = re.search(r"\bQuoted\b.*(\(.*\b\d{4}\b.*\)|model zoo|its author)", text, re.S)
    assert measured or quoted, "a result: measured, with date and versions, or quoted with its source"
    assert "Not measured" not in text


def test_every_base_file_is_used():
    """By a leaf, one that tools/new_run.py writes, or a page; those of comforts/ are there to be inherited."""
    used, left = set(), [*LEAVES]
    left += [CONFIGS / "_base_" / f"{base}.py" for model in NEW_RUN_MODELS.values() for base in model.bases]
    pages = "".join(page.read_text() for page in CONFIGS.parent.glob("docs/*.md"))
    left += [(CONFIGS / name) for name in re.findall(r"_base_/[\w./-]+\.py", pages)]
    while left:
        path = left.pop().resolve()
        if path not in used and path.is_file():
            used.add(path)
            left += bases_of(path)
    unused = {path for path in CONFIGS.rglob("_base_/**/*.py") if "comforts" not in path.parts} - used
    assert unused == set()
