"""The check inside real runs: training, testing, and two processes."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmseg_ext import stack

stack.prepare()

from mmengine.config import Config  # noqa: E402
from mmengine.model import BaseModel  # noqa: E402
from mmengine.runner import Runner  # noqa: E402
from mmseg.registry import MODELS  # noqa: E402

from mmseg_ext.data_check import DataReport  # noqa: E402
from mmseg_ext.engine.hooks import data_check_hook  # noqa: E402
from mmseg_ext.engine.hooks.data_check_hook import (  # noqa: E402
    DataCheckHook,
    class_lines,
    class_problems,
    head_problems,
    loss_problems,
    weight_problems,
)
from mmseg_ext.errors import UserError  # noqa: E402
from mmseg_ext.points.label_budget import LabelBudget, budget_of  # noqa: E402
from mmseg_ext.transforms import WeighLabels  # noqa: E402

REPO = Path(__file__).resolve().parents[3]
CLASSES = ("field", "water", "road")


@MODELS.register_module(force=True)
class CountingModel(BaseModel):
    """Learns one number and counts its steps."""

    def __init__(self):
        super().__init__()
        self.number = torch.nn.Parameter(torch.zeros(()))
        self.num_steps = 0

    def forward(self, inputs, data_samples=None, mode="tensor"):
        self.num_steps += 1
        return {"loss": self.number**2} if mode == "loss" else data_samples


def write_split(root, split, top=2):
    rng = np.random.default_rng(0)
    for folder, suffix in (("images", ".jpg"), ("masks", ".png")):
        (root / split / folder).mkdir(parents=True)
        for i in range(2):
            shape = (6, 8, 3) if folder == "images" else (6, 8)
            pixels = rng.integers(0, 256 if folder == "images" else top + 1, shape, dtype=np.uint8)
            Image.fromarray(pixels).save(root / split / folder / f"{i}{suffix}")


def loader(root, split, pipeline=None):
    pipeline = pipeline or [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations"), dict(type="PackSegInputs")]
    dataset = dict(
        type="BaseSegDataset",
        data_root=str(root / split),
        data_prefix=dict(img_path="images", seg_map_path="masks"),
        metainfo=dict(classes=CLASSES, palette=[[i, i, i] for i in range(3)]),
        pipeline=pipeline,
    )
    infinite = dict(type="InfiniteSampler" if split == "train" else "DefaultSampler", shuffle=split == "train")
    return dict(batch_size=1, num_workers=0, sampler=infinite, dataset=dataset)


def config(root, **hook):
    for split in ("train", "val", "test"):
        if not (root / split).exists():
            write_split(root, split)
    return Config(
        dict(
            default_scope="mmseg",
            work_dir=str(root / "work"),
            experiment_name=root.name,
            model=dict(type="CountingModel"),
            train_dataloader=loader(root, "train"),
            val_dataloader=loader(root, "val"),
            test_dataloader=loader(root, "test"),
            train_cfg=dict(type="IterBasedTrainLoop", max_iters=2, val_begin=99),
            val_cfg=dict(type="ValLoop"),
            test_cfg=dict(type="TestLoop"),
            val_evaluator=dict(type="IoUMetric", iou_metrics=["mIoU"]),
            test_evaluator=dict(type="IoUMetric", iou_metrics=["mIoU"]),
            optim_wrapper=dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.1)),
            default_hooks=dict(checkpoint=None),
            custom_hooks=[dict(type="mmseg_ext.DataCheckHook", cache_dir=str(root / "cache"), **hook)],
            randomness=dict(seed=0),
            log_level="INFO",
        )
    )


def damage(root, split, name):
    path = root / split / "masks" / name
    Image.fromarray(np.full((6, 8), 7, dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def run(tmp_path):
    return Runner.from_cfg(config(tmp_path))


def test_good_data_is_reported_and_training_runs(run, tmp_path):
    run.train()
    assert run.model.num_steps == 2
    assert set(run.data_reports) == {"train", "val"}
    assert isinstance(run.data_reports["train"], DataReport)
    assert run.data_reports["train"].num_images == 2
    assert run.data_reports["train"].labelled_percent == 100
    log = next((tmp_path / "work").glob("*/*.log")).read_text()
    assert "Data check, train: 2 images, 6x8 (height x width), 100.0 % of the pixels labelled" in log
    assert "water" in class_lines(run.data_reports["train"])


def test_all_bad_files_of_train_and_val_are_named_before_the_first_step(run, tmp_path):
    paths = [damage(tmp_path, "train", "1.png"), damage(tmp_path, "val", "0.png")]
    with pytest.raises(UserError) as caught:
        run.train()
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == [str(p) for p in paths]
    assert "holds label 7 (48 pixels) outside the 3 classes" in lines[0]
    assert run.model.num_steps == 0


def test_testing_looks_at_the_test_images_alone(run, tmp_path):
    damage(tmp_path, "train", "1.png")
    path = damage(tmp_path, "test", "1.png")
    with pytest.raises(UserError, match="holds label 7") as caught:
        run.test()
    assert str(caught.value).startswith(str(path))
    assert set(run.data_reports) == {"test"}


def test_warnings_go_to_the_log(run, tmp_path):
    Image.fromarray(np.full((6, 8), 255, dtype=np.uint8)).save(tmp_path / "train" / "masks" / "0.png")
    run.train()
    lines = next((tmp_path / "work").glob("*/*.log")).read_text().splitlines()
    (line,) = [line for line in lines if "WARNING - Data check, train: " in line]
    assert "1 of 2 images have no labelled pixel. They are: 0.jpg." in line


def test_switched_off_it_says_so(tmp_path):
    run = Runner.from_cfg(config(tmp_path, enabled=False))
    damage(tmp_path, "train", "1.png")
    run.train()
    assert run.model.num_steps == 2
    assert "The data check is switched off" in next((tmp_path / "work").glob("*/*.log")).read_text()


def test_random_state_is_that_of_a_run_without_it(tmp_path):
    states = []
    for enabled in (True, False):
        run = Runner.from_cfg(config(tmp_path, enabled=enabled))
        run.train()
        states.append((np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()))
    assert states[0] == states[1]


def test_head_with_fewer_classes_than_the_dataset():
    class Head(torch.nn.Module):
        def __init__(self, num_classes):
            super().__init__()
            self.num_classes = num_classes

    model = torch.nn.Module()
    model.decode_head = torch.nn.ModuleList([Head(3), Head(2)])
    model.auxiliary_head = Head(3)
    (problem,) = head_problems(model, "train dataset", {"classes": CLASSES})
    assert str(problem) == (
        "model.decode_head: it has num_classes=2, the train dataset has 3 classes. Set num_classes=3 there."
    )
    assert head_problems(torch.nn.Module(), "train dataset", {"classes": CLASSES}) == []
    assert head_problems(model, "train dataset", {}) == []
    model.decode_head = Head(150)  # else the first validation blames a label file
    (problem,) = head_problems(model, "train dataset", {"classes": CLASSES})
    assert problem.what == "it has num_classes=150, the train dataset has 3 classes"


def test_classes_that_cannot_be_learnt_and_images_that_are_trained_on():
    report = DataReport(classes=["a", "b", "c"], num_labelled_pixels=9, class_pixels=[9, 0, 0])
    (problem,) = class_problems(report)
    assert problem.what == "2 of 3 classes have no pixel in the labels: b, c"
    assert class_problems(DataReport(classes=["a"], num_labelled_pixels=9, class_pixels=[9])) == []


def test_validation_images_that_are_trained_on_are_warned_about(tmp_path):
    run = Runner.from_cfg(config(tmp_path))
    run.train()
    (own,) = [problem for problem in run.data_reports["val"].warnings if problem.kind == "trained on"]
    images = [tmp_path / split / "images" / "0.jpg" for split in ("val", "train")]
    assert own.what == f"2 of 2 are also trained on, such as {images[0]}, the same image as {images[1]}"


def test_a_head_that_knows_nothing_of_the_weights_of_labels():
    class Dataset:
        pipeline = (WeighLabels("areas.json"),)

    model, point_head = torch.nn.Module(), torch.nn.Module()
    model.decode_head = torch.nn.Linear(1, 1)
    (problem,) = weight_problems(model, Dataset())
    assert str(problem).startswith("model.decode_head: Linear does not support label weights, which WeighLabels")
    point_head.takes_label_weights = True
    model.decode_head.kernel_generate_head = point_head
    assert weight_problems(model, Dataset()) == []
    assert weight_problems(torch.nn.Module(), object()) == []


def test_settings_reach_the_check(run, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(data_check_hook, "check_dataset", lambda dataset, **kwargs: seen.append(kwargs) or DataReport())
    hook = DataCheckHook(num_workers=3, use_cache=False, cache_dir="x", allow_palette=True)
    run.data_reports = {"val": DataReport()}
    monkeypatch.setattr(run, "_train_loop", run.build_train_loop(run._train_loop))
    hook.before_run(run)
    assert len(seen) == 1
    seen[0].pop("progress")(1, 2)
    assert seen[0] == {"num_workers": 3, "use_cache": False, "cache_dir": "x", "allow_palette": True}


def test_all_ranks_get_the_result_and_the_failure(tmp_path):
    script = tmp_path / "ranks.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys
        from mmseg_ext import stack
        stack.prepare()
        import torch
        from mmseg_ext.engine.hooks import data_check_hook
        from mmseg_ext.errors import UserError
        rank = int(sys.argv[1])
        store = "file://{tmp_path}/store"
        torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
        data_check_hook._SIGN_OF_LIFE_SECONDS = -1.0

        def good(alive):
            if rank > 0:
                raise RuntimeError("only the first rank looks")
            alive()
            alive()
            return {{"train": 54}}

        def bad(alive):
            alive()
            raise UserError("a.png is truncated")

        print("result", data_check_hook._on_first_rank(good)["train"])
        try:
            data_check_hook._on_first_rank(bad)
        except UserError as error:
            print("UserError", error)
        """)
    )
    env = {**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}
    ranks = [
        subprocess.Popen([sys.executable, str(script), str(rank)], stdout=subprocess.PIPE, text=True, env=env)
        for rank in range(2)
    ]
    first, second = (rank.communicate(timeout=240)[0].splitlines() for rank in ranks)
    assert first == ["result 54", "UserError a.png is truncated"]
    assert second == ["result 54", "UserError The data check failed on the first rank: UserError: a.png is truncated"]


def heads_with(**losses):
    """A model with heads of one loss each, or of a list of losses."""
    model = torch.nn.Module()
    for name, settings in losses.items():
        head = torch.nn.Module()
        several = settings if isinstance(settings, list) else [settings]
        built = [MODELS.build(loss) for loss in several]
        head.loss_decode = torch.nn.ModuleList(built) if isinstance(settings, list) else built[0]
        setattr(model, name, head)
    return model


def test_a_loss_over_all_pixels_is_refused_where_few_have_a_label():
    stock, partial = {"type": "CrossEntropyLoss"}, {"type": "mmseg_ext.PartialCrossEntropyLoss"}
    points = LabelBudget(num_points=20)
    model = heads_with(decode_head=[partial, stock], auxiliary_head=stock)
    first, second = map(str, loss_problems(model, points))
    assert "model.decode_head.loss_decode.1: CrossEntropyLoss averages over all pixels" in first
    assert "only 20 points per image have a label" in first
    assert "mmseg_ext.PartialCrossEntropyLoss, or a Point… head" in first
    assert second.startswith("model.auxiliary_head.loss_decode")
    assert loss_problems(model, None) == []
    assert loss_problems(model, LabelBudget(areas="a.json")) == []
    for loss in (partial, {**stock, "avg_non_ignore": True}, {**stock, "class_weight": [1.0, 2.0]}):
        assert loss_problems(heads_with(decode_head=loss), points) == []
    nested = torch.nn.Module()  # K-Net's
    nested.decode_head = torch.nn.Module()
    nested.decode_head.kernel_generate_head = heads_with(decode_head=stock).decode_head
    assert len(loss_problems(nested, points)) == 1


def test_a_mask_loss_for_which_unlabelled_pixels_are_negatives_is_refused_on_points():
    points = LabelBudget(num_points=20)
    model = torch.nn.Module()
    model.decode_head = torch.nn.Module()
    for kind, count in (("MaskLoss", 1), ("PointMaskLoss", 0)):
        model.decode_head.loss_decode = MODELS.build({"type": f"mmseg_ext.{kind}"})
        problems = list(map(str, loss_problems(model, points)))
        assert len(problems) == count
        assert loss_problems(model, None) == []
        if count:
            assert "model.decode_head.loss_decode: the loss takes pixels without a label for negatives" in problems[0]
            assert "mmseg_ext.PointMaskLoss" in problems[0]


@pytest.mark.parametrize("loss", ["CrossEntropyLoss", "mmseg_ext.PartialCrossEntropyLoss"])
def test_such_a_run_stops_before_the_first_step(tmp_path, loss):
    settings = config(tmp_path)
    step = {"type": "mmseg_ext.SamplePoints", "num_points": 2, "data_root": str(tmp_path / "train")}
    settings.train_dataloader.dataset.pipeline.insert(2, step)
    runner = Runner.from_cfg(settings)
    runner.model.decode_head = heads_with(decode_head={"type": loss}).decode_head
    assert budget_of(settings.train_dataloader.dataset).num_points == 2
    if loss == "CrossEntropyLoss":
        with pytest.raises(UserError, match="2 points per image have a label"):
            runner.train()
        assert runner.model.num_steps == 0
    else:
        runner.train()
        assert runner.model.num_steps == 2
