"""From a config file to a Runner that trains or tests it: what tools/train.py and tools/test.py do."""

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmseg_ext.engine.checkpoint_choice import checked_checkpoint, choose_checkpoint, seed_to_resume
from mmseg_ext.engine.config_faults import explain_config_faults
from mmseg_ext.engine.config_keys import unread_options, unread_variables
from mmseg_ext.engine.fault_causes import explain_fault
from mmseg_ext.engine.hooks.console_hook import ConsoleHook
from mmseg_ext.engine.hooks.random_state_hook import RandomStateHook
from mmseg_ext.engine.label_completion import complete_training_labels
from mmseg_ext.engine.resumed_config import check_resumed_config
from mmseg_ext.engine.screen_runner import ScreenRunner
from mmseg_ext.engine.work_dir_lock import claim_work_dir, lock_work_dir
from mmseg_ext.errors import UserError
from mmseg_ext.models.backbones.satellite_weights import warn_of_normalization
from mmseg_ext.points.label_budget import flat_steps, name_of
from mmseg_ext.stack import remove_leftovers
from mmseg_ext.stack.binary_accuracy import correct_binary_accuracy

Result = TypeVar("Result")


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
        UserError: There is no such file, it inherits another package's config by ``package::``, or mmengine refuses it
            or the options.
    """
    if not Path(path).is_file():
        raise UserError(f"Expected a config file, found none at {path}. Leaf configs lie in configs/<family>/.")
    with explain_config_faults(path):
        config = Config.fromfile(path)
    unread = unread_variables(path)
    if cfg_options:
        unread += unread_options(config, cfg_options)
        with explain_config_faults(f"{path} with --cfg-options {' '.join(cfg_options)}"):
            config.merge_from_dict(dict(cfg_options))
    for line in unread:
        print_log(f"{path}: {line}", "current", logging.WARNING)
    config.launcher = launcher
    if work_dir is not None:
        config.work_dir = work_dir
    elif config.get("work_dir") is None:
        config.work_dir = str(Path("work_dirs") / Path(path).stem)
    return config


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


def is_fit(config: Config) -> bool:
    """Whether a config fits a head at once, as tools/fit.py does, and does not train step by step."""
    return name_of(config.get("train_cfg") or {}) == "FitLoop"


def check_input_size(config: Config) -> None:
    """Refuse to train with images of which no common size is known. A fit sees each image in its own size.

    Raises:
        UserError: ``model.data_preprocessor`` has neither `size` nor `size_divisor`, or both.
    """
    if is_fit(config):
        return
    preprocessor = config.model.get("data_preprocessor") or config.get("data_preprocessor") or {}
    given = [key for key in ("size", "size_divisor") if preprocessor.get(key) is not None]
    if name_of(preprocessor) != "SegDataPreProcessor" or len(given) == 1:
        return
    steps = flat_steps(config.train_dataloader.dataset.get("pipeline"))
    crops = [step["crop_size"] for step in steps if "crop_size" in step]
    example = f"{tuple(crops[-1])}" if crops else "(512, 512)"
    raise UserError(
        f"Expected one of `size` and `size_divisor` in model.data_preprocessor, got {' and '.join(given) or 'none'}. "
        f"The images of a batch are padded to it: set size={example}, the size of the training crops."
    )


def build_runner(config: Config) -> Runner:
    """Build the config's Runner."""
    correct_binary_accuracy()
    if not torch.cuda.is_available():
        adapt_to_cpu(config)
    runner = RUNNERS.build(config) if "runner_type" in config else ScreenRunner.from_cfg(config)
    warn_of_normalization(runner.model)
    return runner


def run_config(
    config: Config, use: Callable[[Runner], Result], prepare: Callable[[Config], object] = lambda config: None
) -> Result:
    """Build the config's Runner and use it; a fault whose cause is known ends in one line.

    Args:
        config: Of the run.
        use: Called with the Runner.
        prepare: Called with the config before the Runner is built.

    Raises:
        UserError: What :func:`mmseg_ext.engine.fault_causes.explain_fault` has found.
    """
    runner = None
    try:
        prepare(config)
        runner = build_runner(config)
        return use(runner)
    except Exception as error:
        fault = explain_fault(error, config, runner)
        if fault is None:
            raise
        raise fault from error


def train(
    config: Config,
    resume: bool | str = False,
    amp: bool = False,
    resume_anyway: bool = False,
    replace: bool = False,
) -> Runner:
    """Train a config.

    Args:
        config: From :func:`load_config`.
        resume: True goes on from the last checkpoint in the work dir, as ``resume=True`` in the config does; a path
            from that checkpoint, or from the last one of that work dir. The work dir is the run's own, or a new one.
        amp: Turn on automatic mixed precision.
        resume_anyway: Resume with another config than the run was begun with; see
            :func:`mmseg_ext.engine.resumed_config.changed_settings`.
        replace: Whether the checkpoints of an earlier run in the work dir may be replaced.

    Raises:
        UserError: The work dir holds another run, the run was begun with another config, or the data are not fit to
            train on.
    """
    is_first = int(os.environ.get("RANK", 0)) == 0
    if is_first:
        lock_work_dir(config.work_dir)
        remove_leftovers(config.work_dir)
    goes_on = bool(resume) or bool(config.get("resume", False))
    checkpoint = choose_checkpoint(config, resume)
    is_other = checkpoint is not None and Path(checkpoint).resolve().parent != Path(config.work_dir).resolve()
    if not replace:
        claim_work_dir(config.work_dir, resume=goes_on and not is_other)
    check_input_size(config)
    if amp:
        enable_amp(config)
    if config.optim_wrapper.get("type") == "AmpOptimWrapper" and not torch.cuda.is_available():
        raise UserError("Expected a GPU for mixed precision, found none. Leave out --amp, or set type='OptimWrapper'.")
    if config.resume and config.get("randomness", {}).get("seed") is None:
        seed = seed_to_resume(checkpoint)
        if seed is not None:
            config.randomness = {**config.get("randomness", {}), "seed": seed}
    if checkpoint is not None and is_first:
        check_resumed_config(config, checkpoint, resume_anyway)

    def train_with(runner: Runner) -> Runner:
        if not any(isinstance(hook, RandomStateHook) for hook in runner.hooks):
            runner.register_hook(RandomStateHook())
        runner.train()
        return runner

    return run_config(config, train_with, prepare=complete_training_labels)


def test(config: Config, checkpoint: str) -> dict[str, float]:
    """Test a checkpoint.

    Args:
        config: From :func:`load_config`.
        checkpoint: A file or an address.

    Returns:
        The scores.
    """
    config.load_from = checked_checkpoint(checkpoint)

    def test_with(runner: Runner) -> dict[str, float]:
        if not any(isinstance(hook, ConsoleHook) for hook in runner.hooks):
            runner.register_hook(ConsoleHook())
        return runner.test()

    return run_config(config, test_with)
