"""The label budget: which of a dataset's labels a run trains on.

A dataset's ``labels=`` says it, and all that ask for it (checks, pictures, summary, tables) call :func:`budget_of`.
This module needs nothing but the standard library, so that importing it is cheap.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Literal

from mmseg_ext.arguments import (
    ComponentConfig,
    FilePath,
    Fraction,
    NonNegativeFloat,
    PositiveInt,
    checked,
    refuse_unknown,
)
from mmseg_ext.errors import UserError

SPARSE_LABELS = "sparse_labels"
"""Key of a sample whose dataset labels only some pixels: 'points', or 'regions' where the points were grown, or
completed without the less probable labels. The drop-ins for Resize, RandomResize and RandomCrop then keep the labels:
points are moved as coordinates, and crops hold labels."""

POINT_STEPS = ("SamplePoints", "LoadPointAnnotations")
"""Transforms that leave only points of the labels."""

COMPLETED_STEP = "LoadCompletedAnnotations"
"""Transform that loads labels which were completed from points."""

STEP_SETTINGS = {
    "SamplePoints": ("num_points", "per", "strategy", "seed", "resample"),
    "LoadPointAnnotations": ("file", "classes", "allow_empty", "frame"),
    "GrowPoints": ("radius", "tolerance", "sigma"),
    COMPLETED_STEP: ("min_confidence", "weigh"),
    "WeighLabels": ("areas",),
}
"""The settings of each transform of a label budget."""

Frame = Literal["shown", "stored"]
"""What coordinates count in: an image as viewers show it, or its pixels as stored, before EXIF orientation."""

EXAMPLES = "dict(num_points=20) or dict(file='points.csv')"


def check_sampling(per: str, strategy: str) -> None:
    """Check that the settings of `SamplePoints` fit together.

    Raises:
        UserError: They do not.
    """
    if per == "class" and strategy == "class_balanced":
        raise UserError("Expected strategy='uniform' with per='class', which is balanced already.")


@partial(checked, name="labels.grow")
def check_growing(radius: PositiveInt = 16, tolerance: NonNegativeFloat = 12, sigma: NonNegativeFloat = 2.0) -> None:
    """Check the settings of `GrowPoints`; the annotations do.

    Raises:
        UserError: One is unknown or out of range.
    """


@partial(checked, name="labels.complete")
@dataclass(frozen=True)
class Completion:
    """How the points of an image are completed to labels of all its pixels.

    Attributes:
        min_confidence: Least probability of a label that is trained on; pixels below it have none.
        weigh: Whether each label counts as much as it is probable.
        model: Config of a `FeatureSegmentor` that is fitted to the points; None takes a frozen EfficientNet-Lite0.
        scale: What images are resized to for it, as `Resize` takes it with ``keep_ratio=True``.

    Raises:
        UserError: One is out of range.
    """

    min_confidence: Fraction = 0.0
    weigh: bool = False
    model: ComponentConfig | None = None
    scale: tuple[PositiveInt, PositiveInt] = (2048, 1024)


@partial(checked, name="labels")
@dataclass(frozen=True)
class LabelBudget:
    """Which labels are trained on.

    Attributes:
        num_points: Points sampled from full labels, of each image or class; None where they come from `file`.
        per: What `num_points` counts: 'image', or 'class' (of an image).
        strategy: 'uniform' or 'class_balanced'.
        seed: Names the set of points.
        resample: Whether points are drawn anew at every step.
        file: File of clicked points.
        classes: Names of the classes in the file; None takes the dataset's own.
        allow_empty: Whether an image may have no point in the file.
        frame: What the coordinates in the file count in: 'shown', the image as viewers show it, or 'stored', before its
            EXIF orientation.
        areas: File of the areas that the labels represent; each label then counts for its area.
        grow: Settings of `GrowPoints`, ``{}`` for its own; None does not grow the points.
        complete: How the points are completed to labels of all pixels; None leaves them as they are.

    Raises:
        UserError: A setting has the wrong type, is out of range, or does not fit another.
    """

    num_points: PositiveInt | None = None
    per: Literal["image", "class"] = "image"
    strategy: Literal["uniform", "class_balanced"] = "uniform"
    seed: int = 0
    resample: bool = False
    file: FilePath | None = None
    classes: tuple[str, ...] | None = None
    allow_empty: bool = False
    frame: Frame = "shown"
    areas: FilePath | None = None
    grow: Mapping[str, Any] | None = None
    complete: Completion | None = None

    def __post_init__(self) -> None:
        if self.num_points is not None and self.file is not None:
            raise UserError(
                f"Expected either `num_points` or `file`, got both ({self.num_points!r} and {self.file!r}). Take one "
                "out; on the command line labels.num_points=None does it."
            )
        if self.num_points is not None:
            check_sampling(self.per, self.strategy)
        if self.grow is not None:
            check_growing(**self.grow)
        if self.complete is not None and (self.grow is not None or self.resample):
            other = "grow" if self.grow is not None else "resample"
            raise UserError(
                f"Expected `labels` with `complete` without `{other}`: the labels are completed once, from the points. "
                f"Take one of them out; on the command line labels.{other}=None does it."
            )
        for name, convert in (("file", os.fspath), ("areas", os.fspath), ("classes", tuple)):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, convert(getattr(self, name)))

    @classmethod
    def from_config(cls, labels: Any) -> LabelBudget:
        """Read the ``labels=`` of a dataset's config; a setting of None counts as not given.

        Raises:
            UserError: It is no dict, has an unknown key, not exactly one of `num_points` and `file`, a setting that
                would be ignored, or one that :class:`LabelBudget` refuses.
        """
        if not isinstance(labels, Mapping) or not labels:
            raise UserError(
                f"Expected `labels` to be a dict such as {EXAMPLES}, got {labels!r}. Leave it out to train on "
                "all labels."
            )
        refuse_unknown("labels", labels, [item.name for item in fields(cls)])
        given: dict[str, Any] = {key: value for key, value in labels.items() if value is not None}
        if "num_points" not in given and "file" not in given:
            raise UserError(f"Expected `labels` with `num_points` or `file`, as in {EXAMPLES}, got {dict(labels)!r}.")
        other = "SamplePoints" if "file" in given else "LoadPointAnnotations"
        ignored = [name for name in STEP_SETTINGS[other][1:] if name in given]
        if ignored and not ("num_points" in given and "file" in given):
            kind = "file" if "file" in given else "num_points"
            raise UserError(
                f"Expected `labels` with `{kind}` without {', '.join(f'`{name}`' for name in ignored)}, which would "
                f"have no effect. Take it out; on the command line labels.{ignored[0]}=None does it."
            )
        for name, example in (("grow", "dict(radius=16)"), ("complete", "dict(min_confidence=0.5)")):
            settings = given.pop(name, False)
            if not isinstance(settings, (bool, Mapping)):
                raise UserError(f"Expected `{name}` to be True or a dict such as {example}, got {settings!r}.")
            if settings is not False:
                given[name] = {} if settings is True else {k: v for k, v in settings.items() if v is not None}
        if "complete" in given:
            given["complete"] = Completion(**given["complete"])
        return cls(**given)

    @property
    def sparsity(self) -> str | None:
        """What the labels are, for :data:`SPARSE_LABELS`: 'points' or 'regions'; None for labels of all pixels.

        Completed labels are regions where the less probable ones are left out.
        """
        if self.complete is not None:
            return "regions" if self.complete.min_confidence > 0 else None
        if self.num_points is None and self.file is None:
            return None
        return "points" if self.grow is None else "regions"

    def steps(self) -> list[dict[str, Any]]:
        """List the transforms, as configs, in their order behind the step that loads labels.

        `LoadPointAnnotations` and `LoadCompletedAnnotations` take the place of that step.
        """
        if self.complete is not None:
            settings = {key: getattr(self.complete, key) for key in STEP_SETTINGS[COMPLETED_STEP]}
            return [{"type": f"mmseg_ext.{COMPLETED_STEP}", **settings}]
        steps: list[dict[str, Any]] = []
        for name in POINT_STEPS:
            settings = {key: getattr(self, key) for key in STEP_SETTINGS[name]}
            if settings[STEP_SETTINGS[name][0]] is not None:
                steps.append({"type": f"mmseg_ext.{name}", **settings})
        if self.grow is not None:
            steps.append({"type": "mmseg_ext.GrowPoints", **self.grow})
        if self.areas is not None:
            steps.append({"type": "mmseg_ext.WeighLabels", "areas": self.areas})
        return steps

    def describe(self, short: bool = False) -> str:
        """Say in one line which labels are trained on.

        Args:
            short: Whether to say it as the tables do.

        Example:
            >>> budget = LabelBudget(num_points=20, per="class", areas="areas.json")
            >>> budget.describe(), budget.describe(short=True)
            ('20 points per class, weighed by areas.json', '20 pts/class, weighed')
        """
        if self.file is not None:
            text = "clicked points" if short else f"points of {self.file}"
        elif self.num_points is None:
            text = "all"
        elif short:
            text = f"{self.num_points} pt{'s' if self.num_points != 1 else ''}/{self.per}"
            text += ", redrawn" if self.resample else ""
        else:
            text = f"{self.num_points} points per {self.per}"
            for name, default in (("strategy", "uniform"), ("seed", 0), ("resample", False)):
                value = getattr(self, name)
                text += f", {name} {value}" if value != default else ""
        if self.grow is not None:
            text += ", grown"
        if self.areas is not None:
            text += ", weighed" if short else f", weighed by {self.areas}"
        if self.complete is not None:
            text += ", completed"
            if self.complete.min_confidence:
                text += f" ≥ {self.complete.min_confidence:g}"
            if self.complete.weigh:
                text += ", by confidence" if short else ", weighed by their confidence"
        return text


def budget_of(dataset: Any) -> LabelBudget | None:
    """Find the label budget of a dataset: in its ``labels=``, or else in the steps of its pipeline.

    Args:
        dataset: Config of a dataset; of a RepeatDataset, ConcatDataset or their like it is the budget of the first
            dataset inside that has one.

    Returns:
        The budget; None where all labels are trained on.

    Raises:
        UserError: A setting is wrong.

    Example:
        >>> budget_of({"type": "RepeatDataset", "dataset": {"labels": {"num_points": 20}}}).num_points
        20
    """
    if isinstance(dataset, (list, tuple)):
        return next((budget for budget in map(budget_of, dataset) if budget is not None), None)
    if not isinstance(dataset, Mapping):
        return None
    if isinstance(dataset.get("labels"), Mapping):
        return LabelBudget.from_config(dataset["labels"])
    return _budget_of_steps(dataset.get("pipeline")) or budget_of(dataset.get("dataset") or dataset.get("datasets"))


def _budget_of_steps(pipeline: Any) -> LabelBudget | None:
    """Read the budget from the transforms of a pipeline."""
    found: dict[str, Any] = {}
    for step in flat_steps(pipeline):
        name = name_of(step)
        if name not in STEP_SETTINGS or name == COMPLETED_STEP or not isinstance(step, Mapping):
            continue  # completed labels are those of a dataset's `labels`
        settings = {key: step[key] for key in STEP_SETTINGS[name] if step.get(key) is not None}
        if name == "GrowPoints":
            found["grow"] = settings
            continue
        first = STEP_SETTINGS[name][0]
        if first not in settings:
            raise UserError(f"Expected {name} with `{first}`, got {dict(step)!r}.")
        found = settings if name in POINT_STEPS else {**found, **settings}
    return LabelBudget(**found) if found else None


def flat_steps(pipeline: Any) -> Iterator[Any]:
    """List the steps of a pipeline, those inside of RandomApply, TestTimeAug and their like too."""
    for step in pipeline if isinstance(pipeline, (list, tuple)) else ():
        if isinstance(step, (list, tuple)):
            yield from flat_steps(step)
        else:
            yield step
            yield from flat_steps(step.get("transforms") if isinstance(step, Mapping) else None)


def name_of(step: Any) -> str:
    """Name a component, such as a transform, given as config or as object, without its scope.

    Example:
        >>> name_of({"type": "mmseg_ext.SamplePoints"})
        'SamplePoints'
    """
    kind = step.get("type", "") if isinstance(step, Mapping) else type(step)
    return kind.__name__ if isinstance(kind, type) else str(kind).rpartition(".")[2]
