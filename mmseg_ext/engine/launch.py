"""From a config file to a Runner that trains or tests it: what tools/train.py and tools/test.py do."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmseg_ext.engine.checkpoint_fit import check_fit
from mmseg_ext.engine.config_keys import unread_options, unread_variables
from mmseg_ext.engine.hooks.random_state_hook import RandomStateHook
from mmseg_ext.engine.work_dir_lock import lock_work_dir
from mmseg_ext.errors import UserError
from mmseg_ext.stack import last_checkpoint, remove_leftovers
from mmseg_ext.stack.binary_accuracy import correct_binary_accuracy

# Warnings of the stack that are meant for its own developers.
STOCK_NOISE = (
    "The prefix is not set in metric class",
    '"FileClient" will be deprecated',
    '"HardDiskBackend" is the alias',
)


def is_shown(record: logging.LogRecord) -> bool:
    """Whether a log record is worth a line on the screen."""
    return not record.getMessage().startswith(STOCK_NOISE)


class ScreenRunner(Runner):
    """mmengine's Runner, with its log of hundreds of lines in the log file alone; warnings still reach the screen.

    A checkpoint that does not fit the model is refused, unless the config holds ``allow_partial=True``.
    """

    def build_logger(self, *args: Any, **kwargs: Any) -> logging.Logger:
        """Build the logger; its screen handler shows warnings only."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if type(handler) is logging.StreamHandler and handler.level < logging.WARNING:
                handler.setLevel(logging.WARNING)
                handler.addFilter(is_shown)
        return logger

    def load_checkpoint(self, filename: str, *args: Any, **kwargs: Any) -> dict:
        """Load a checkpoint whose weights are those of the model."""
        checkpoint = super().load_checkpoint(filename, *args, **kwargs)
        if not self.cfg.get("allow_partial", False):
            check_fit(self.model, checkpoint, filename)
        return checkpoint


def load_config(
    path: str,
    work_dir: str | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    launcher: str = "none",
) -> Config:
    """Load a config and apply the command's options.

    The work dir is, in this order: `work_dir`, the config's own, ``./work_dirs/<config name>``. A warning names keys
    that nothing reads.

    Raises:
        UserError: There is no such file, or it inherits another package's config by ``package::``.
    """
    if not Path(path).is_file():
        raise UserError(f"Expected a config file, found none at {path}. Leaf configs lie in configs/<family>/.")
    config = Config.fromfile(path)
    unread = unread_variables(path)
    if cfg_options:
        unread += unread_options(config, cfg_options)
        config.merge_from_dict(dict(cfg_options))
    for line in unread:
        print_log(f"{path}: {line}", "current", logging.WARNING)
    config.launcher = launcher
    if work_dir is not None:
        config.work_dir = work_dir
    elif config.get("work_dir") is None:
        config.work_dir = str(Path("work_dirs") / Path(path).stem)
    return config


def claim_work_dir(work_dir: str | Path, resume: bool) -> None:
    """Refuse a work dir that holds another run.

    Raises:
        UserError: The folder holds a run that has begun to train, and this one does not resume it.
    """
    if resume or int(os.environ.get("RANK", 0)) != 0:
        return
    folder = Path(work_dir)
    traces = [*folder.glob("*.pth"), *(p for p in folder.glob("*/vis_data/scalars.json") if p.stat().st_size)]
    if traces:
        raise UserError(
            f"Expected an empty work dir, found another run's {traces[0].relative_to(folder)} in {folder}. "
            "Continue that run with --resume, or name another folder with --work-dir."
        )


def replace_sync_batchnorm(config: Config) -> int:
    """Turn every ``type='SyncBN'`` into 'BN', in place, and count them. SyncBN runs on GPUs only."""
    count = 0
    stack: list[Any] = [config._cfg_dict]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if node.get("type") == "SyncBN":
                node["type"] = "BN"
                count += 1
            stack.extend(node.values())
        elif isinstance(node, (list, tuple)):
            stack.extend(node)
    return count


def adapt_to_cpu(config: Config) -> None:
    """Make a config that was written for GPUs run on a machine without one, in place.

    SyncBN becomes BN; processes communicate by gloo, and DistributedDataParallel gets no device_ids.
    """
    if replace_sync_batchnorm(config):
        config.sync_batchnorm_replaced = True  # the start-up summary says so
    if config.launcher == "none":
        return
    torch.distributed.init_process_group("gloo")
    config.model_wrapper_cfg = ConfigDict(
        {
            "type": "MMDistributedDataParallel",
            "broadcast_buffers": False,
            "find_unused_parameters": config.get("find_unused_parameters", False),
            **(config.get("model_wrapper_cfg") or {}),
            "device_ids": None,
        }
    )


def enable_amp(config: Config) -> None:
    """Turn on automatic mixed precision, in place.

    Raises:
        UserError: The optimizer wrapper is of a kind that has no mixed-precision form.
    """
    kind = config.optim_wrapper.get("type", "OptimWrapper")
    if kind == "AmpOptimWrapper":
        return
    if kind != "OptimWrapper":
        raise UserError(
            f"Expected `optim_wrapper.type` to be OptimWrapper for --amp, got {kind}. Set it in the config."
        )
    config.optim_wrapper.type = "AmpOptimWrapper"
    config.optim_wrapper.loss_scale = "dynamic"


def seed_to_resume(work_dir: str | Path) -> int | None:
    """Read the seed of the run in a work dir from its last checkpoint, None where there is none.

    The sampler's order is drawn before mmengine resumes, so the seed has to be known by then.
    """
    checkpoint = last_checkpoint(work_dir)
    if checkpoint is None:
        return None
    from mmengine.runner import CheckpointLoader

    return CheckpointLoader.load_checkpoint(str(checkpoint), map_location="cpu")["meta"].get("seed")


def build_runner(config: Config) -> Runner:
    """Build the config's Runner."""
    correct_binary_accuracy()
    if not torch.cuda.is_available():
        adapt_to_cpu(config)
    if "runner_type" in config:
        return RUNNERS.build(config)
    return ScreenRunner.from_cfg(config)


def train(config: Config, resume: bool = False, amp: bool = False, replace: bool = False) -> Runner:
    """Train a config.

    Args:
        config: From :func:`load_config`.
        resume: Go on from the last checkpoint in the work dir; ``resume=True`` in the config does the same.
        amp: Turn on automatic mixed precision.
        replace: Whether the checkpoints of an earlier run in the work dir may be replaced.

    Raises:
        UserError: The work dir holds another run, or the data are not fit to train on.
    """
    config.resume = resume or bool(config.get("resume", False))
    if int(os.environ.get("RANK", 0)) == 0:
        lock_work_dir(config.work_dir)
        remove_leftovers(config.work_dir)
    if not replace:
        claim_work_dir(config.work_dir, config.resume)
    if amp:
        enable_amp(config)
    if config.optim_wrapper.get("type") == "AmpOptimWrapper" and not torch.cuda.is_available():
        raise UserError("Expected a GPU for mixed precision, found none. Leave out --amp, or set type='OptimWrapper'.")
    if config.resume and config.get("randomness", {}).get("seed") is None:
        seed = seed_to_resume(config.work_dir)
        if seed is not None:
            config.randomness = {**config.get("randomness", {}), "seed": seed}
    runner = build_runner(config)
    if not any(isinstance(hook, RandomStateHook) for hook in runner.hooks):
        runner.register_hook(RandomStateHook())
    runner.train()
    return runner


def test(config: Config, checkpoint: str) -> dict[str, float]:
    """Test a checkpoint.

    Args:
        config: From :func:`load_config`.
        checkpoint: A file or an address.

    Returns:
        The scores.
    """
    if "://" not in checkpoint and not Path(checkpoint).is_file():
        raise UserError(f"Expected a checkpoint file, found none at {checkpoint}.")
    config.load_from = checkpoint
    return build_runner(config).test()


def draw_predictions(config: Config, show: bool, show_dir: str | None, wait_time: float) -> None:
    """Let mmseg's visualization hook draw every prediction of a test, in place.

    Raises:
        UserError: The config has no such hook.
    """
    hook = config.get("default_hooks", {}).get("visualization")
    if hook is None:
        raise UserError(
            "Expected a `visualization` hook in `default_hooks` for --show and --show-dir, found none. "
            "Add visualization=dict(type='SegVisualizationHook')."
        )
    hook.update(draw=True, show=show, wait_time=wait_time)
    if show_dir:
        config.visualizer.save_dir = show_dir


def mirror_pipeline(pipeline: Sequence[dict]) -> list[dict]:
    """Turn a test pipeline into one that gives each image twice, the second time mirrored left to right.

    The image is mirrored right after it is loaded, before the labels are, which stay as they are.

    Raises:
        UserError: The pipeline does not begin by loading the image.
    """
    first, *others = pipeline
    if not first["type"].rpartition(".")[2].startswith("Load"):
        raise UserError(
            f"Expected a test pipeline that begins by loading the image for --tta, got {first['type']}. "
            "Write a `tta_pipeline` into the config."
        )
    flips = [{"type": "RandomFlip", "prob": prob, "direction": "horizontal"} for prob in (0.0, 1.0)]
    return [first, {"type": "TestTimeAug", "transforms": [flips, *([step] for step in others)]}]


def use_tta(config: Config) -> None:
    """Test with the config's ``tta_pipeline`` and ``tta_model``, in place.

    A config without a ``tta_pipeline`` gets each image and its mirror image; see :func:`mirror_pipeline`.

    Raises:
        UserError: The config has no ``tta_model``.
    """
    if "tta_model" not in config:
        raise UserError("Expected `tta_model` in the config for --tta, found none.")
    pipeline = config.get("tta_pipeline") or mirror_pipeline(config.test_dataloader.dataset.pipeline)
    config.test_dataloader.dataset.pipeline = pipeline
    config.tta_model.module = config.model
    config.model = config.tta_model


def keep_predictions(config: Config, folder: str) -> None:
    """Write every prediction of a test into a folder, in place."""
    evaluators = config.test_evaluator
    if not isinstance(evaluators, (list, tuple)):
        evaluators = [evaluators]
    writer = {
        "type": "mmseg_ext.PredictionWriter",
        "output_dir": folder,
        "data_root": config.test_dataloader.dataset.get("data_root"),
    }
    config.test_evaluator = [*evaluators, writer]
