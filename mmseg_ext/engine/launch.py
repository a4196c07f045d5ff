"""From a config file to a Runner that trains or tests it: what tools/train.py and tools/test.py do."""

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from mmseg.registry import MODELS

from mmseg_ext.engine.checkpoint_fit import check_fit
from mmseg_ext.engine.config_faults import explain_config_faults
from mmseg_ext.engine.config_keys import unread_options, unread_variables
from mmseg_ext.engine.fault_causes import explain_fault
from mmseg_ext.engine.hooks.console_hook import ConsoleHook
from mmseg_ext.engine.hooks.random_state_hook import RandomStateHook
from mmseg_ext.engine.label_completion import complete_training_labels
from mmseg_ext.engine.resumed_config import check_resumed_config
from mmseg_ext.engine.work_dir_lock import lock_work_dir
from mmseg_ext.errors import UserError
from mmseg_ext.models.backbones.satellite_weights import warn_of_normalization
from mmseg_ext.models.segmentors import BlockwisePrediction
from mmseg_ext.points.label_budget import flat_steps, name_of
from mmseg_ext.stack import last_checkpoint, read_checkpoint_meta, remove_leftovers
from mmseg_ext.stack.binary_accuracy import correct_binary_accuracy

Result = TypeVar("Result")

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
    """mmengine's Runner, with its log of hundreds of lines in the log file alone where the config has a ConsoleHook.

    Warnings still reach the screen.

    A checkpoint that does not fit the model is refused, unless the config holds ``allow_partial=True``.

    Attributes:
        last_batch: The batch that was read last, for the message where a step fails on it.
    """

    last_batch: Any = None

    def call_hook(self, fn_name: str, **kwargs: Any) -> None:
        """Call the hooks, and keep the batch at hand."""
        if fn_name.startswith("before_") and fn_name.endswith("_iter"):
            self.last_batch = kwargs.get("data_batch")
        super().call_hook(fn_name, **kwargs)

    def build_logger(self, *args: Any, **kwargs: Any) -> logging.Logger:
        """Build the logger; its screen handler shows warnings only, where ConsoleHook prints what matters."""
        logger = super().build_logger(*args, **kwargs)
        has_console_hook = any(name_of(hook) == "ConsoleHook" for hook in self.cfg.get("custom_hooks") or [])
        for handler in logger.handlers:
            if isinstance(handler, logging.FileHandler):
                _log_safely(handler)
            elif type(handler) is logging.StreamHandler and handler.level < logging.WARNING and has_console_hook:
                handler.setLevel(logging.WARNING)
                handler.addFilter(is_shown)
        return logger

    def load_checkpoint(self, filename: str, *args: Any, **kwargs: Any) -> dict:
        """Load a checkpoint whose weights are those of the model."""
        checkpoint = super().load_checkpoint(filename, *args, **kwargs)
        if not self.cfg.get("allow_partial", False):
            check_fit(self.model, checkpoint, filename)
        return checkpoint


def _log_safely(handler: logging.FileHandler) -> None:
    """Let a log file take any name, and end the run where it cannot be written, instead of a traceback a line."""
    path = handler.baseFilename
    stream: Any = handler.stream
    stream.reconfigure(errors="backslashreplace")

    def fail(record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            logging.FileHandler.handleError(handler, record)
            return
        handler.handleError = lambda record: None  # type: ignore[method-assign] # once
        raise OSError(error.errno, error.strerror, path) from None

    handler.handleError = fail  # type: ignore[method-assign]


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


def resume_from(path: str) -> str:
    """Find the checkpoint that ``--resume PATH`` names: a file, an address, or the last one of a work dir.

    Raises:
        UserError: There is none.
    """
    if not Path(path).is_dir():
        return checked_checkpoint(path)
    found = last_checkpoint(path)
    if found is None:
        raise UserError(f"Expected a run's checkpoint in {path}, found none. Name the file itself.")
    return str(found)


def choose_checkpoint(config: Config, resume: bool | str) -> str | None:
    """Choose what a run resumes from, and set `resume` and `load_from` of its config accordingly, in place.

    In this order: the named checkpoint, the last one in the work dir, ``load_from`` of a config that itself says
    ``resume=True``. Without any of them the run begins, from the weights of ``load_from`` where that is set.

    Args:
        config: The config.
        resume: Whether to resume, or from what; see :func:`train`.

    Returns:
        A file or an address; None where the run begins.
    """
    by_config = bool(config.get("resume", False))
    chosen: str | None = None
    if isinstance(resume, str):
        chosen = config.load_from = resume_from(resume)
    elif resume or by_config:
        own = last_checkpoint(config.work_dir)
        if own is not None:
            chosen, config.load_from = str(own), None  # mmengine finds it as well
        elif by_config and config.get("load_from"):
            chosen = config.load_from
    config.resume = chosen is not None
    return chosen


def checked_checkpoint(checkpoint: str) -> str:
    """Return a checkpoint's path or address.

    Raises:
        UserError: There is no such file.
    """
    if "://" not in checkpoint and not Path(checkpoint).is_file():
        raise UserError(f"Expected a checkpoint file, found none at {checkpoint}.")
    return checkpoint


def seed_to_resume(checkpoint: str | Path | None) -> int | None:
    """Read the seed of a run from its checkpoint, None where there is none.

    The sampler's order is drawn before mmengine resumes, so the seed has to be known by then.
    """
    return None if checkpoint is None else read_checkpoint_meta(checkpoint).get("seed")


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
    if not name_of(first).startswith("Load"):
        raise UserError(
            f"Expected a test pipeline that begins by loading the image for --tta, got {first['type']}. "
            "Write a `tta_pipeline` into the config."
        )
    flips = [{"type": "RandomFlip", "prob": prob, "direction": "horizontal"} for prob in (0.0, 1.0)]
    return [first, {"type": "TestTimeAug", "transforms": [flips, *([step] for step in others)]}]


def use_tta(config: Config) -> None:
    """Test with the config's ``tta_pipeline`` and ``tta_model``, in place.

    The segmentor keeps its logits, which every TTA model merges. A config without a ``tta_pipeline`` gets each image
    and its mirror image; see :func:`mirror_pipeline`.

    Raises:
        UserError: The config has no ``tta_model``.
    """
    if "tta_model" not in config:
        raise UserError("Expected `tta_model` in the config for --tta, found none.")
    pipeline = config.get("tta_pipeline") or mirror_pipeline(config.test_dataloader.dataset.pipeline)
    config.test_dataloader.dataset.pipeline = pipeline
    kind = MODELS.get(config.model.type) if isinstance(config.model.type, str) else config.model.type
    if isinstance(kind, type) and issubclass(kind, BlockwisePrediction):
        config.model.keep_logits = True
    config.tta_model.module = config.model
    config.model = config.tta_model


def keep_predictions(config: Config, folder: str, mask_values: bool = False) -> None:
    """Write every prediction of a test into a folder, in place.

    Args:
        config: Is changed.
        folder: Where the files go.
        mask_values: As mmseg's ``--out``: the values of the mask files, in files named as the images. Otherwise class
            indices from 0, in the folders of the images below the dataset's ``data_root``.
    """
    evaluators = config.test_evaluator
    if not isinstance(evaluators, (list, tuple)):
        evaluators = [evaluators]
    writer = {
        "type": "mmseg_ext.PredictionWriter",
        "output_dir": folder,
        "data_root": None if mask_values else config.test_dataloader.dataset.get("data_root"),
        "mask_values": mask_values,
    }
    config.test_evaluator = [*evaluators, writer]
