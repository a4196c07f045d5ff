"""Logs that mmengine's own Runner writes here and now: the readers agree with what the hooks were given."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from mmseg_ext.tables import read_runs

pytest.importorskip("torch", reason="torch is not installed: nothing here can train")
pytest.importorskip("mmengine", reason="mmengine is not installed: nothing here can train")

import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn

SCORES = [31.25, 47.5, 44.125, 50.0, 49.5]


class Dot(BaseModel):
    """A model of two parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 1)

    def forward(self, inputs: torch.Tensor, mode: str = "tensor", **_: Any) -> Any:
        loss = (self.linear(torch.stack(list(inputs)).float()) ** 2).mean()
        return {"loss": loss} if mode == "loss" else [0]


class Scores(BaseMetric):
    """Gives out prepared scores, one an evaluation."""

    left = list(SCORES)

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results.append(0)

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        score = self.left.pop(0)
        return {"aAcc": score + 10, "mIoU": score, "IoU.bed, double": score - 1, "Acc.bed, double": score + 1}


def make_runner(work_dir: Path, max_iters: int, resume: bool = False) -> Runner:
    data = [{"inputs": torch.ones(1)} for _ in range(8)]
    loader = {"batch_size": 2, "num_workers": 0}
    return Runner(
        model=Dot(),
        work_dir=str(work_dir),
        train_dataloader={**loader, "dataset": data, "sampler": {"type": "InfiniteSampler"}},
        val_dataloader={**loader, "dataset": data, "sampler": {"type": "DefaultSampler", "shuffle": False}},
        test_dataloader={**loader, "dataset": data, "sampler": {"type": "DefaultSampler", "shuffle": False}},
        train_cfg={"type": "IterBasedTrainLoop", "max_iters": max_iters, "val_interval": 4},
        val_cfg={},
        test_cfg={},
        val_evaluator=[Scores()],
        test_evaluator=[Scores()],
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.01}},
        default_hooks={
            "logger": {"type": "LoggerHook", "interval": 3, "log_metric_by_epoch": False},
            "checkpoint": {"type": "CheckpointHook", "interval": 4, "by_epoch": False},
        },
        log_processor={"by_epoch": False},
        visualizer={
            "type": "Visualizer",
            "vis_backends": [{"type": "LocalVisBackend"}],
            "name": f"{max_iters}_{resume}",
        },
        experiment_name=f"{work_dir.name}_{max_iters}_{resume}",
        resume=resume,
        default_scope="mmengine",
        randomness={"seed": 3},
    )


@pytest.mark.filterwarnings("ignore")
def test_a_run_its_resume_and_its_test(tmp_path: Path) -> None:
    Scores.left = list(SCORES)
    work_dir = tmp_path / "dot_loveda"
    make_runner(work_dir, 8).train()
    time.sleep(1.1)  # mmengine names the folder of a start after the second
    make_runner(work_dir, 14, resume=True).train()
    time.sleep(1.1)
    make_runner(work_dir, 14).test()
    assert len([path for path in work_dir.glob("2*_*") if path.is_dir()]) == 3
    (run,) = read_runs([tmp_path])
    assert run.name == "dot_loveda_8_False", "the name in the log: the Runner was given no config file"
    assert [(item.step, item.metrics["mIoU"]) for item in run.evaluations] == [
        (4, 31.25),
        (8, 47.5),
        (12, 44.125),
        (14, 50.0),
    ]
    assert [item.metrics["mIoU"] for item in run.tests] == [49.5]
    assert (run.done, run.planned, run.state, run.seed) == (14, 14, "finished", 3)
    assert run.evaluations[1].class_names == ("bed, double",)
    assert run.evaluations[1].class_values == {"IoU": [46.5], "Acc": [48.5]}
    for scalars in work_dir.rglob("scalars.json"):
        assert all(json.loads(line) for line in scalars.read_text().splitlines())
        scalars.unlink()
    (text,) = read_runs([tmp_path])
    assert [(item.step, item.metrics["mIoU"]) for item in text.evaluations] == [
        (4, 31.25),
        (8, 47.5),
        (12, 44.125),
        (14, 50.0),
    ], "the text log does not name the step of an evaluation; the checkpoint written before it does"
    assert (text.done, text.planned, text.state) == (14, 14, "finished")
