"""Metrics on cleaned-up predictions, and the scores before and after."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric, Evaluator

from mmseg_ext.arguments import ComponentConfig, fits
from mmseg_ext.errors import UserError
from mmseg_ext.evaluation.current_run import report
from mmseg_ext.evaluation.morphology import CleanUpStep, clean_up_map
from mmseg_ext.evaluation.segmentation_metric import Counts, SegmentationMetric
from mmseg_ext.masks.class_maps import as_array
from mmseg_ext.registry import METRICS


def class_indices(chosen: Sequence[str | int] | str | int, classes: Sequence[str]) -> list[int]:
    """Look up classes by name or index.

    Args:
        chosen: Names, or indices from 0, or one of them, or 'all'.
        classes: The names of the dataset's classes.

    Raises:
        UserError: There is no such class.

    Example:
        >>> class_indices(["water", 0], ["land", "water"])
        [1, 0]
    """
    if chosen == "all":
        return list(range(len(classes)))
    found = []
    for name in [chosen] if isinstance(chosen, str | int) else chosen:
        if name in classes:
            found.append(list(classes).index(str(name)))
        elif isinstance(name, int) and 0 <= name < len(classes):
            found.append(name)
        else:
            raise UserError(f"Expected `classes` of a clean-up step among {', '.join(classes)}, got {name!r}.")
    return found


class _SilentMetric(SegmentationMetric):
    """Scores without a table in the log and without files."""

    def _report(self, counts: Counts) -> None:
        pass


@METRICS.register_module()
class CleanUp(BaseMetric):
    """Clean up predictions, pass them to other metrics and writers, and compare the scores before and after.

    The metrics inside, writers among them, get the cleaned-up predictions, and their scalars keep their names. Where
    there are masks, the log shows the IoU of each class before and after, side by side, and ``before_clean_up/mIoU``,
    ``before_clean_up/aAcc``, ``before_clean_up/mAcc`` join the scalars.

    Args:
        steps: Dicts of ``classes`` (names, indices or 'all') and any of ``opening``, ``closing``, ``max_hole``,
            ``min_area``, in pixels of the original image; see :class:`CleanUpStep`. They are taken in this order, and
            within one the classes in the order in which it names them.
        metrics: Configs of the metrics and writers.
        ignore_index: Marks pixels without a label.
        **kwargs: Passed to mmengine's BaseMetric (collect_device).

    Raises:
        UserError: A step is not valid, or names a class that the dataset does not have.
    """

    default_prefix = None

    def __init__(
        self,
        steps: Sequence[dict[str, Any]],
        metrics: ComponentConfig | Sequence[ComponentConfig],
        ignore_index: int = 255,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._steps: list[tuple[Any, dict]] = []
        for step in steps:
            settings = dict(step)
            classes = settings.pop("classes", None)
            if not fits(classes, str | int | Sequence[str | int]) or not settings:
                raise UserError(
                    "Expected steps of `classes` and any of `opening`, `closing`, `max_hole`, `min_area` for CleanUp, "
                    f"got {dict(step)}."
                )
            CleanUpStep(0, **settings)  # numbers out of range are an error now, not after the first batch
            self._steps.append((classes, settings))
        self.steps: list[CleanUpStep] = []
        metrics = [metrics] if isinstance(metrics, dict) else metrics
        self.evaluator = Evaluator([METRICS.build(metric) for metric in metrics])
        kwargs.pop("prefix", None)  # the metrics inside have their own
        self._before, self._after = (_SilentMetric(ignore_index=ignore_index, **kwargs) for _ in range(2))

    @property
    def dataset_meta(self) -> dict | None:
        """The dataset's meta information, for all metrics inside."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        self._dataset_meta = dataset_meta
        for metric in (self.evaluator, self._before, self._after):
            metric.dataset_meta = dataset_meta
        classes = dataset_meta["classes"]
        self.steps = [
            CleanUpStep(index, **settings)
            for chosen, settings in self._steps
            for index in class_indices(chosen, classes)
        ]

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Clean up one batch and pass it on.

        Args:
            data_batch: Passed on.
            data_samples: As dicts, with pred_sem_seg (1, H, W) at original size.
        """
        cleaned = [self._cleaned(sample) for sample in data_samples]
        self._before.process(data_batch, data_samples)
        self._after.process(data_batch, cleaned)
        self.evaluator.process(cleaned, data_batch)

    def _cleaned(self, sample: dict) -> dict:
        data = sample["pred_sem_seg"]["data"]
        cleaned_HW = torch.from_numpy(np.ascontiguousarray(clean_up_map(as_array(data), self.steps)))
        return {**sample, "pred_sem_seg": {**sample["pred_sem_seg"], "data": cleaned_HW.view_as(data).to(data)}}

    def evaluate(self, size: int) -> dict[str, float]:
        """Evaluate the metrics inside, and compare."""
        before, after = self._before.evaluate(size), self._after.evaluate(size)
        scalars = self.evaluator.evaluate(size)
        if before:
            self._report(before, after)
            scalars |= {f"before_clean_up/{name}": before[name] for name in ("aAcc", "mIoU", "mAcc")}
        return scalars

    def _report(self, before: dict[str, float], after: dict[str, float]) -> None:
        names = ["mIoU", *(name for name in before if name.startswith("IoU."))]
        width = max(map(len, names))
        lines = [f"{'':<{width}}  before   after  change"]
        lines += [f"{n:<{width}}  {before[n]:6.2f}  {after[n]:6.2f}  {after[n] - before[n]:+6.2f}" for n in names]
        report("clean-up:\n%s", "\n".join(lines))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Not used: the metrics inside compute."""
        return {}
