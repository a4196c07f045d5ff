"""The records that travel through the tables: what a log, a config and a run say.

Units: metrics in percent (0 to 100), memory in MB, time in seconds, steps in training iterations.
"""

from __future__ import annotations

from dataclasses import dataclass, field


class TableError(ValueError):
    """Input that no table can be made from; its text is one line for the user."""


def printable(text: str) -> str:
    r"""Return a text that any screen and file can take: no bytes that are no text, no control characters.

    Example:
        >>> printable("fcn\udce9 \x1b[31mred")
        'fcn? ?[31mred'
    """
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if text.isprintable() else "".join(sign if sign.isprintable() else "?" for sign in text)


@dataclass(slots=True)
class Evaluation:
    """One evaluation of a model.

    Attributes:
        step: training iterations done when it ran, or None where the log does not say.
        metrics: summary numbers by name, such as ``{'mIoU': 48.66, 'aAcc': 81.76}``, in percent.
        class_names: names of the classes, in the order of the values below; empty where they were not kept.
        class_values: per-class numbers in percent by kind, such as ``{'IoU': [74.4, …], 'Acc': […]}``.
    """

    step: int | None
    metrics: dict[str, float]
    class_names: tuple[str, ...] = ()
    class_values: dict[str, list[float]] = field(default_factory=dict)


@dataclass(slots=True)
class Settings:
    """What a dumped config says about a run; an empty string or None where it says nothing.

    Attributes:
        dataset: short name as in ``<dataset>_scores.md``.
        backbone: type or architecture of the backbone.
        head: type of the decode head.
        factor: downsampling factor of the dataset, 1 where the dataset is the full one.
        labels: label budget: ``20 pts/image``, ``5 pts/class``, ``all``.
        max_steps: planned training iterations.
        val_interval: iterations between evaluations.
        max_epochs: planned epochs, where the schedule counts epochs.
        crop: crop size as ``HxW``.
        batch_size: images per GPU and optimizer step.
        num_gpus: GPUs, where the config says (0.x).
        evaluated_on: dataset, folder and mode of the evaluation.
        train_data: parts of the training set: fold, scenes, split.
        seed: random seed.
        fingerprint: equal for runs that differ in the seed alone.
        fold_fingerprint: equal for runs that differ in the seed and the fold alone.
        work_dir: the run's work dir as the config states it.
    """

    dataset: str = ""
    backbone: str = ""
    head: str = ""
    factor: int | None = None
    labels: str = ""
    max_steps: int | None = None
    val_interval: int | None = None
    max_epochs: int | None = None
    crop: str = ""
    batch_size: int | None = None
    num_gpus: int | None = None
    evaluated_on: str = ""
    train_data: str = ""
    seed: int | None = None
    fingerprint: str = ""
    fold_fingerprint: str = ""
    work_dir: str = ""


@dataclass(slots=True)
class LogPart:
    """What one log file says; every field is left empty where it says nothing.

    Attributes:
        evaluations: validations during training, in the order of the file.
        tests: evaluations outside training.
        first_step: step of the first training row.
        step_interval: steps between the first two training rows.
        last_step: step of the last training row.
        max_steps: planned iterations.
        resumed_from: step of the checkpoint the run went on from.
        seconds_per_step: median over training rows, in s.
        memory: largest memory over training rows, in MB.
        num_parameters: parameters of the model.
        num_gpus: GPUs used.
        seed: random seed.
        config_name: base name of the config.
        settings: what a config embedded in the log says.
        started: date and time of the first line, as ``2025-05-13 16:29:48``.
        ended: date and time of the last line.
        num_bad_lines: lines that could not be read.
        is_cut: the file ends inside a line, a table or a config.
        error: last line of a traceback at the end of the log.
        problem: why the file could not be read at all.
    """

    evaluations: list[Evaluation] = field(default_factory=list)
    tests: list[Evaluation] = field(default_factory=list)
    first_step: int | None = None
    step_interval: int | None = None
    last_step: int | None = None
    max_steps: int | None = None
    resumed_from: int | None = None
    seconds_per_step: float | None = None
    memory: float | None = None
    num_parameters: int | None = None
    num_gpus: int | None = None
    seed: int | None = None
    config_name: str = ""
    settings: Settings | None = None
    started: str = ""
    ended: str = ""
    num_bad_lines: int = 0
    is_cut: bool = False
    error: str = ""
    problem: str = ""


@dataclass(slots=True)
class Run:
    """One training run, put together from all its logs.

    Attributes:
        name: base name of the config.
        work_dir: folder (or file) the logs were found in.
        label: work dir and first timestamp, told apart from every other run.
        evaluations: validations in order of their steps, those that a resume rolled back left out.
        tests: evaluations outside training.
        done: training iterations done.
        planned: training iterations planned.
        state: finished, running, stopped, crashed, unfinished (cut or empty logs), ended (and nothing says how far it
            was to go) or tested.
        started: date and time of the first line.
        settings: what the config says.
        seconds_per_step: s.
        memory: MB.
        num_parameters: parameters of the model.
        num_gpus: GPUs used.
        seed: random seed.
        warnings: what the reader had to skip, a line each.
    """

    name: str
    work_dir: str
    label: str = ""
    evaluations: list[Evaluation] = field(default_factory=list)
    tests: list[Evaluation] = field(default_factory=list)
    done: int | None = None
    planned: int | None = None
    state: str = "unfinished"
    started: str = ""
    settings: Settings = field(default_factory=Settings)
    seconds_per_step: float | None = None
    memory: float | None = None
    num_parameters: int | None = None
    num_gpus: int | None = None
    seed: int | None = None
    warnings: list[str] = field(default_factory=list)
