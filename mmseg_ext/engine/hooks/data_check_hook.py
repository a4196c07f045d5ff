"""The check of all images and labels before the first step."""

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from mmengine.dist import broadcast_object_list, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop
from mmseg.models.decode_heads import Mask2FormerHead, MaskFormerHead
from mmseg.models.losses import CrossEntropyLoss
from torch import nn

from mmseg_ext.arguments import NonNegativeInt
from mmseg_ext.data_check import (
    DataReport,
    Problem,
    check_dataset,
    images_of,
    raise_for_problems,
    shared_images,
    transforms_of,
)
from mmseg_ext.errors import MAX_LISTED, UserError
from mmseg_ext.points.label_budget import LabelBudget, budget_of
from mmseg_ext.progress import ProgressDisplay
from mmseg_ext.registry import HOOKS

_STILL_WORKING = "still working"
_SIGN_OF_LIFE_SECONDS = 60.0


@HOOKS.register_module()
class DataCheckHook(Hook):
    """Check every file that a run will read, and stop it before the first step if training would fail or go wrong.

    The check runs over the datasets of the loops that the run has: train and val for training, test for testing. It
    comes before weights are loaded, draws no random number and works with any mmseg dataset. In a distributed run the
    first rank reads the files and all ranks receive its result. The reports are left in ``runner.data_reports``, a dict
    with the keys 'train', 'val' and 'test'.

    Args:
        enabled: Whether to check at all.
        num_workers: Threads that read; None is one a core, eight at most.
        use_cache: Whether files that have not changed since an earlier check are taken from the cache.
        cache_dir: Folder of the cache; None is `mmseg_ext` under $XDG_CACHE_HOME or ~/.cache.
        allow_palette: Whether the indices of palette PNGs are class indices, regardless of their colours.
        max_shown: How many problems the error lists; the others are counted.
        show_progress: Whether a check of more than two seconds shows how far it is.

    Raises:
        UserError: Before the first step, with one line a problem.
    """

    priority = "VERY_HIGH"

    def __init__(
        self,
        enabled: bool = True,
        num_workers: NonNegativeInt | None = None,
        use_cache: bool = True,
        cache_dir: str | os.PathLike | None = None,
        allow_palette: bool = False,
        max_shown: NonNegativeInt = 10,
        show_progress: bool = True,
    ) -> None:
        self.enabled = enabled
        self.num_workers = num_workers
        self.use_cache = use_cache
        self.cache_dir = cache_dir
        self.allow_palette = allow_palette
        self.max_shown = max_shown
        self.show_progress = show_progress

    def before_run(self, runner: Any) -> None:
        """Check the datasets of all loops that are built and not checked yet."""
        if not self.enabled:
            runner.logger.info("The data check is switched off: DataCheckHook(enabled=False)")
            return
        if not hasattr(runner, "data_reports"):
            runner.data_reports = {}
        datasets = {n: loop.dataloader.dataset for n, loop in _loops(runner) if n not in runner.data_reports}
        if not datasets:
            return

        reports: dict[str, DataReport] = _on_first_rank(lambda alive: self._check(runner, datasets, alive))
        runner.data_reports.update(reports)
        problems = [problem for report in reports.values() for problem in report.errors]
        for name, dataset in datasets.items():
            problems += head_problems(runner.model, f"{name} dataset", getattr(dataset, "metainfo", None) or {})
            problems += weight_problems(runner.model, dataset)
        if "train" in datasets:
            problems += loss_problems(runner.model, budget_of(runner.cfg.get("train_dataloader", {}).get("dataset")))
        for name, report in reports.items():
            for problem in report.warnings:
                runner.logger.warning(f"Data check, {name}: {problem}")
        raise_for_problems(problems, self.max_shown)

    def _check(self, runner: Any, datasets: dict[str, Any], alive: Callable[[], None]) -> dict[str, DataReport]:
        reports = {}
        for name, dataset in datasets.items():
            with ProgressDisplay(f"Checking the {name} images", runner.logger.info) as display:

                def progress(done: int, total: int, display: ProgressDisplay = display) -> None:
                    alive()
                    if self.show_progress:
                        display(done, total)

                reports[name] = check_dataset(
                    dataset,
                    cache_dir=self.cache_dir,
                    num_workers=self.num_workers,
                    progress=progress,
                    use_cache=self.use_cache,
                    allow_palette=self.allow_palette,
                )
            text = f"Data check, {name}: {reports[name].summary()}{completion_note(runner, name)}"
            runner.logger.info(f"{text}\n{class_lines(reports[name])}".rstrip())
        if "train" in reports:
            reports["train"].warnings += class_problems(reports["train"])
            if "val" in reports:
                reports["val"].warnings += leak_problems(datasets["train"], datasets["val"])
        return reports


def completion_note(runner: Any, name: str) -> str:
    """Say that the labels of a split were completed, and from what; nothing where they were not."""
    budget = budget_of(runner.cfg.get(f"{name}_dataloader", {}).get("dataset"))
    return "" if budget is None or budget.complete is None else f"; labels: {budget.describe()}"


def class_lines(report: DataReport) -> str:
    """One line a class: its share of the labelled pixels and the number of images that show it."""
    total = max(report.num_labelled_pixels, 1)
    width = max(map(len, report.classes), default=0)
    return "\n".join(
        f"  {name:<{width}}  {100 * pixels / total:6.2f} % of the labelled pixels, in {images} images"
        for name, pixels, images in zip(report.classes, report.class_pixels, report.class_images, strict=True)
        if report.num_masks
    )


def class_problems(report: DataReport) -> list[Problem]:
    """Classes that no training image shows: they cannot be learnt."""
    missing = [name for name, pixels in zip(report.classes, report.class_pixels, strict=True) if not pixels]
    if not missing or not report.num_labelled_pixels:
        return []
    shown = ", ".join(missing[:MAX_LISTED]) + (f" and {len(missing) - MAX_LISTED} more" if missing[MAX_LISTED:] else "")
    what = f"{len(missing)} of {len(report.classes)} classes have no pixel in the labels: {shown}"
    return [Problem("the training images", what, "They cannot be learnt: label some, or leave them out.", "no pixel")]


def leak_problems(train: Any, val: Any) -> list[Problem]:
    """Validation images that are trained on too: their score says nothing about other images."""
    images = images_of(val)
    shared = shared_images(images_of(train), images)
    if not shared:
        return []
    own, copy = shared[0]
    first = own if os.path.realpath(own) == os.path.realpath(copy) else f"{copy}, the same image as {own}"
    what = f"{len(shared)} of {len(images)} are also trained on, such as {first}"
    fix = "Their scores are too high: validate on images that are not trained on."
    return [Problem("the validation images", what, fix, "trained on")]


def head_problems(model: Any, name: str, metainfo: dict) -> list[Problem]:
    """Heads that have other classes than the dataset.

    With fewer a GPU would end in a device-side assert, with more the first validation would predict classes that the
    dataset does not have.
    """
    num_classes = len(metainfo.get("classes") or ())
    model = getattr(model, "module", model)
    problems = []
    for attribute in ("decode_head", "auxiliary_head"):
        heads: Any = getattr(model, attribute, None)
        for head in heads if hasattr(heads, "__iter__") else [heads]:
            has = getattr(head, "num_classes", None)
            if isinstance(has, int) and num_classes and has != num_classes:
                what = f"it has num_classes={has}, the {name} has {num_classes} classes"
                fix = f"Set num_classes={num_classes} there."
                problems.append(Problem(f"model.{attribute}", what, fix, "number of classes"))
    return problems


def weight_problems(model: Any, dataset: Any) -> list[Problem]:
    """Decode heads that would ignore the weights which a transform gives the labels."""
    givers = [t for t in transforms_of(dataset) if getattr(t, "gives_label_weights", False)]
    head = getattr(getattr(model, "module", model), "decode_head", None)
    parts = head.modules() if isinstance(head, nn.Module) else ()  # the heads inside of it too, as K-Net's
    if not givers or any(getattr(part, "takes_label_weights", False) for part in parts):
        return []
    what = f"{type(head).__name__} does not support label weights, which {type(givers[0]).__name__} adds"
    fix = "Use a Point… head of mmseg_ext, or take the transform out of the pipeline."
    return [Problem("model.decode_head", what, fix, "label weights")]


def _takes_unlabelled_for_negative(part: nn.Module) -> bool:
    """Whether a part of a model is a mask loss as published, or mmseg's mask head with such a loss."""
    if isinstance(part, (Mask2FormerHead, MaskFormerHead)):
        return getattr(part, "loss_decode", None) is None
    return bool(getattr(part, "unlabelled_are_negatives", False))


def loss_problems(model: Any, budget: LabelBudget | None) -> list[Problem]:
    """Losses for labels of all pixels, where few have one.

    An average over all pixels, and its gradient, would be almost zero. A published loss of masks would learn that every
    pixel without a label belongs to no class.
    """
    if budget is None or budget.sparsity is None:
        return []
    model = getattr(model, "module", model)
    problems = []
    for attribute in ("decode_head", "auxiliary_head"):
        heads = getattr(model, attribute, None)
        for name, part in heads.named_modules() if isinstance(heads, nn.Module) else ():
            # With class weights, mmseg's loss divides by the weights of the labelled pixels.
            if isinstance(part, CrossEntropyLoss) and not part.avg_non_ignore and part.class_weight is None:
                where = f"model.{attribute}.{name}"
                what = f"CrossEntropyLoss averages over all pixels, but only {budget.describe()} have a label"
                fix = "Use mmseg_ext.PartialCrossEntropyLoss, or a Point… head of mmseg_ext with its own loss."
                problems.append(Problem(where, what, fix, "loss of sparse labels"))
            elif _takes_unlabelled_for_negative(part):
                where = ".".join(filter(None, ["model", attribute, name]))
                what = f"the loss takes pixels without a label for negatives, but only {budget.describe()} have one"
                fix = (
                    "Use loss_decode=dict(type='mmseg_ext.PointMaskLoss'), with mmseg_ext.Mask2FormerHead for mmseg's."
                )
                problems.append(Problem(where, what, fix, "loss of sparse labels"))
    return problems


def _loops(runner: Any) -> Iterator[tuple[str, BaseLoop]]:
    """The loops that the runner has built for this run. Its properties would build the others too."""
    for name in ("train", "val", "test"):
        loop = getattr(runner, f"_{name}_loop", None)
        if isinstance(loop, BaseLoop):
            yield name, loop


def _on_first_rank(work: Callable[[Callable[[], None]], Any]) -> Any:
    """Run `work` on rank 0 and return its result on every rank; if it fails, every rank raises.

    `work` receives a function to call often. From time to time it signals the waiting ranks that a result will follow,
    since a single wait would time out after some minutes.
    """
    if get_world_size() == 1:
        return work(lambda: None)
    if get_rank() > 0:
        message = [None]
        broadcast_object_list(message)
        while message[0] == _STILL_WORKING:
            broadcast_object_list(message)
        result, failure = message[0] or (None, "no result")
        if failure is not None:
            raise UserError(f"The data check failed on the first rank: {failure}")
        return result

    last = time.monotonic()

    def alive() -> None:
        nonlocal last
        if time.monotonic() - last > _SIGN_OF_LIFE_SECONDS:
            last = time.monotonic()
            broadcast_object_list([_STILL_WORKING])

    try:
        result = work(alive)
    except Exception as error:
        broadcast_object_list([(None, f"{type(error).__name__}: {error}")])
        raise
    broadcast_object_list([(result, None)])
    return result
