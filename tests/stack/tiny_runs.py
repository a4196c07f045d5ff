"""A Runner of mmengine that trains one linear layer in a moment."""

from itertools import count
from pathlib import Path
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner

_names = count()


class TinyModel(BaseModel):
    """One linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(2, 1)

    def forward(self, inputs: list, mode: str) -> Any:
        """Return the loss, or one prediction an input."""
        outputs = self.linear(torch.stack(inputs))
        return {"loss": outputs.square().sum()} if mode == "loss" else list(outputs)


class RisingScore(BaseMetric):
    """Scores that rise from one evaluation to the next, so that each is the best one."""

    default_prefix = None

    def process(self, data_batch: Any, data_samples: Any) -> None:
        """Keep nothing."""
        self.results.append(0)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Return the score."""
        return {"mIoU": float(next(_names))}


def tiny_runner(
    work_dir: Path, max_iters: int, resume: bool = False, kind: type[Runner] = Runner, **checkpoint: Any
) -> Runner:
    """Build a Runner that evaluates, and saves a checkpoint, at every second iteration."""

    def dataloader(sampler: str) -> dict:
        dataset = [{"inputs": torch.ones(2)} for _ in range(4)]
        return {"dataset": dataset, "batch_size": 2, "sampler": {"type": sampler, "shuffle": False}}

    return kind(
        TinyModel(),
        str(work_dir),
        experiment_name=f"tiny_{next(_names)}",
        resume=resume,
        train_dataloader=dataloader("InfiniteSampler"),
        train_cfg={"type": "IterBasedTrainLoop", "max_iters": max_iters, "val_interval": 2},
        val_dataloader=dataloader("DefaultSampler"),
        val_cfg={},
        val_evaluator=[RisingScore()],
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.01}},
        param_scheduler=[{"type": "MultiStepLR", "by_epoch": False, "milestones": [3, 3]}],
        default_hooks={"checkpoint": {"type": "CheckpointHook", "by_epoch": False, "interval": 2, **checkpoint}},
        randomness={"seed": 0},
        default_scope="mmengine",
    )
