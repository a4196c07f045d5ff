"""A run that is stopped and resumed is the uninterrupted run, bit for bit."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook

from mmseg_ext.engine import launch
from mmseg_ext.engine.hooks.random_state_hook import KEY
from mmseg_ext.registry import HOOKS


@HOOKS.register_module(force=True)
class LossesUntilHook(Hook):
    """Keeps the loss of every iteration, and stops behind one of them, as a kill would."""

    priority = "LOWEST"
    losses: ClassVar[dict] = {}

    def __init__(self, stop=None):
        self.stop = stop

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses[runner.iter + 1] = outputs["loss"].item()
        if runner.iter + 1 == self.stop:
            raise KeyboardInterrupt


def run(tiny_config, work_dir, *, stop=None, workers=0, resume=False, train_cfg=None, **options):
    """Train for 12 iterations, or until `stop`; return the loss of each and the run."""
    loader = {"train_dataloader.num_workers": workers, "train_dataloader.persistent_workers": workers > 0}
    config = launch.load_config(str(tiny_config), str(work_dir), {**loader, "randomness.seed": 7, **options})
    config.train_cfg = train_cfg or config.train_cfg
    config.custom_hooks = [{"type": "mmseg_ext.LossesUntilHook", "stop": stop}]
    LossesUntilHook.losses = {}
    try:
        runner = launch.train(config, resume=resume)
    except KeyboardInterrupt:
        runner = None
    return LossesUntilHook.losses, runner


@pytest.mark.parametrize(("workers", "stop"), [(0, 7), (2, 4), (3, 7)])
def test_losses_and_weights_are_those_of_the_uninterrupted_run(tiny_config, tmp_path, workers, stop):
    whole, runner = run(tiny_config, tmp_path / "whole", workers=workers)
    before, _ = run(tiny_config, tmp_path / "cut", workers=workers, stop=stop)
    after, resumed = run(tiny_config, tmp_path / "cut", workers=workers, resume=True)
    assert min(after) == stop // 3 * 3 + 1  # checkpoints are saved every three iterations
    assert {**before, **after} == whole
    for (name, value), other in zip(
        runner.model.state_dict().items(), resumed.model.state_dict().values(), strict=True
    ):
        assert torch.equal(value, other), name


def test_a_run_that_is_stopped_twice(tiny_config, tmp_path):
    whole, _ = run(tiny_config, tmp_path / "whole", workers=2)
    losses = {}
    for stop, resume in ((5, False), (8, True), (None, True)):
        losses |= run(tiny_config, tmp_path / "cut", workers=2, stop=stop, resume=resume)[0]
    assert losses == whole


def test_epochs(tiny_config, tmp_path):
    by_epoch = {
        "train_cfg": {"type": "EpochBasedTrainLoop", "max_epochs": 4, "val_interval": 1},
        "train_dataloader.sampler.type": "DefaultSampler",
        "param_scheduler": [],
        "log_processor.by_epoch": True,
        "default_hooks.checkpoint.by_epoch": True,
        "default_hooks.checkpoint.interval": 1,
        "default_hooks.checkpoint.save_best": None,
    }
    for persistent in (True, False):
        options = {**by_epoch, "train_dataloader.persistent_workers": persistent}
        whole, _ = run(tiny_config, tmp_path / f"whole{persistent}", workers=2, **options)
        stop = max(whole) // 2 + 1
        before, _ = run(tiny_config, tmp_path / f"cut{persistent}", workers=2, stop=stop, **options)
        after, _ = run(tiny_config, tmp_path / f"cut{persistent}", workers=2, resume=True, **options)
        assert {**before, **after} == whole


def test_another_number_of_workers_is_a_warning(tiny_config, tmp_path, caplog):
    run(tiny_config, tmp_path / "cut", workers=2, stop=4)
    _, runner = run(tiny_config, tmp_path / "cut", workers=1, resume=True)
    assert runner.iter == 12
    assert "2 data loading workers" in Path(runner.logger.log_file).read_text()


def test_states_lie_in_checkpoints_that_can_be_resumed_alone(tiny_config, tmp_path):
    run(tiny_config, tmp_path / "run", workers=2)
    last = torch.load(tmp_path / "run" / "iter_12.pth", weights_only=True)
    (state,) = last[KEY]
    assert len(state["workers"]) == 2
    assert state["process"]["torch"].dtype == torch.uint8
    (best,) = (tmp_path / "run").glob("best_*.pth")
    assert KEY not in torch.load(best, weights_only=True)


def test_a_validation_leaves_no_trace(tiny_config, tmp_path):
    """Losses do not depend on how often is validated."""
    often, _ = run(tiny_config, tmp_path / "often", **{"train_cfg.val_interval": 2})
    once, _ = run(tiny_config, tmp_path / "once", **{"train_cfg.val_interval": 12})
    assert often == once
    assert len(set(often.values())) > 1
    assert np.isfinite(list(often.values())).all()
