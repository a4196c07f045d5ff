"""The step of a pipeline that loads labels: left out, or followed by the steps of a label budget."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mmseg_ext.errors import UserError
from mmseg_ext.points.label_budget import POINT_STEPS, STEP_SETTINGS, LabelBudget, flat_steps, name_of

# What loses points, by its stock name, and what to do about it.
_LOSES_POINTS = {
    "Resize": "Write mmseg_ext.Resize.",
    "RandomResize": "Write mmseg_ext.RandomResize.",
    "RandomCrop": "Write mmseg_ext.RandomCrop.",
    "RandomChoiceResize": "Set its resize_type='mmseg_ext.Resize'.",
    "ResizeShortestEdge": "Write mmseg_ext.Resize(keep_ratio=True).",
    "ResizeToMultiple": "Write mmseg_ext.Resize.",
    "RandomRotate": "Take it out; mmseg_ext.RandomFlip also flips diagonally.",
    "RandomRotFlip": "Write mmseg_ext.RandomFlip.",
    "RandomMosaic": "Take it out.",
}


def loads_labels(step: Any) -> bool:
    """Whether a step, given as config or as object, loads labels."""
    return name_of(step).endswith("Annotations")


def loading_steps(pipeline: Sequence[Any]) -> list[Any]:
    """List the steps that load the image or the labels, or sample points: none of them moves a pixel."""
    kept = []
    for step in pipeline:
        name = name_of(step)
        if (name.startswith("Load") and ("Image" in name or "Annotations" in name)) or name in POINT_STEPS:
            kept.append(step)
    return kept


def select_steps(pipeline: Sequence[Any], is_kept: Callable[[Any], bool]) -> list[Any]:
    """Leave out the steps that are not kept, those of a TestTimeAug too.

    Args:
        pipeline: Configs of transforms, or transforms.
        is_kept: Called with each.
    """
    steps = []
    for step in pipeline:
        if not is_kept(step):
            continue
        if name_of(step).endswith("TestTimeAug") and isinstance(step, Mapping):
            # Each list holds alternatives; a list that held nothing else would leave no combination at all.
            choices = [select_steps(choice, is_kept) for choice in step["transforms"]]
            step = {**step, "transforms": [choice for choice in choices if choice]}
        steps.append(step)
    return steps


def without_label_loading(pipeline: Sequence[Any]) -> list[Any]:
    """Leave out the steps that load labels, those of a TestTimeAug too."""
    return select_steps(pipeline, lambda step: not loads_labels(step))


def with_label_loading(pipeline: Sequence[Any], step: Mapping[str, Any]) -> list[Any]:
    """Put another step in the place of the one that loads labels, in a TestTimeAug too.

    Args:
        pipeline: Configs of transforms, or transforms.
        step: Config of a transform that loads labels.
    """
    return _placed(pipeline, lambda _: [step])


def with_label_budget(pipeline: Sequence[Any], budget: LabelBudget) -> list[Any]:
    """Put the steps of a label budget behind the step that loads labels, in a TestTimeAug too.

    Args:
        pipeline: Configs of transforms, or transforms.
        budget: Where it has a file of points or completes them, its first step takes the place of the one that loads
            labels.

    Raises:
        UserError: The pipeline loads no labels, or has steps of a label budget already, or a step that loses points.
    """
    steps = list(flat_steps(pipeline))
    named = [name for name in map(name_of, steps) if name in STEP_SETTINGS]
    if named:
        raise UserError(
            f"Expected a pipeline without {named[0]} where `labels` is given. Take {named[0]} out: `labels` adds it."
        )
    loading = [index for index, step in enumerate(steps) if loads_labels(step)]
    if len(loading) != 1:
        raise UserError(
            f"Expected a pipeline with one step that loads labels, named …Annotations, where `labels` is given, got "
            f"{len(loading)} among {', '.join(map(name_of, steps)) or 'no steps'}."
        )
    if budget.sparsity == "points":
        for step in steps[loading[0] + 1 :]:
            _refuse_lost_points(step)
    is_replaced = budget.file is not None or budget.complete is not None
    return _placed(pipeline, lambda step: budget.steps() if is_replaced else [step, *budget.steps()])


def _placed(pipeline: Sequence[Any], place: Callable[[Any], list[Any]]) -> list[Any]:
    """Put other steps in the place of the one that loads labels, which `place` is called with."""
    placed: list[Any] = []
    for step in pipeline:
        if loads_labels(step):
            placed += place(step)
        elif name_of(step).endswith("TestTimeAug") and isinstance(step, Mapping):
            # Each list holds alternatives: steps that follow one another need a list each.
            choices = []
            for choice in step["transforms"]:
                choices += [[s] for s in _placed(choice, place)] if any(map(loads_labels, choice)) else [choice]
            placed.append({**step, "transforms": choices})
        else:
            placed.append(step)
    return placed


def _refuse_lost_points(step: Any) -> None:
    """Refuse a step that would resize labels as dense maps, or crop where no label is."""
    name = name_of(step)
    settings = step if isinstance(step, Mapping) else getattr(step, "resize_cfg", {})
    resizes_by = step.get("resize_type") if isinstance(step, Mapping) else settings.get("type")
    if resizes_by is not None:
        if _is_ours(resizes_by):
            return
        shown, fix = f"{name}(resize_type={resizes_by!r})", "Set its resize_type='mmseg_ext.Resize'."
    else:
        kind = step.get("type", "") if isinstance(step, Mapping) else type(step)
        if name not in _LOSES_POINTS or _is_ours(kind):
            return
        shown, fix = name, _LOSES_POINTS[name]
    raise UserError(f"Expected steps that keep labels which are points, got {shown}, which loses them. {fix}")


def _is_ours(kind: Any) -> bool:
    return (kind.__module__ if isinstance(kind, type) else str(kind)).startswith("mmseg_ext.")
