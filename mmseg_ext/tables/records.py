"""The records that the readers fill: what a log, a config and a run say.

Units: metrics in percent (0 to 100), memory in MB, time in seconds, steps in training iterations.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

MAX_STEP = 10**12
"""Steps are below this number; a larger number in a log or a config is not read."""


@dataclass(slots=True)
class Evaluation:
    """One evaluation of a model.

    Attributes:
        step: Training iterations done before it, or None where the log does not say.
        metrics: Summary metrics in percent by name, such as ``{'mIoU': 48.66, 'aAcc': 81.76}``.
        class_names: Names of the classes, in the order of the values below; empty where they were not kept.
        class_values: Per-class metrics in percent by kind, such as ``{'IoU': [74.4, …], 'Acc': […]}``.
    """

    step: int | None
    metrics: dict[str, float]
    class_names: tuple[str, ...] = ()
    class_values: dict[str, list[float]] = field(default_factory=dict)


@dataclass(slots=True)
class Settings:
    """What a dumped config says about a run; an empty string or None where it says nothing.

    Attributes:
        dataset: Short name, as in ``<dataset>_scores.md``.
        backbone: Type or architecture of the backbone.
        head: Type of the decode head.
        factor: Downsampling factor of the dataset, 1 for the full dataset.
        labels: Label budget: ``20 pts/image``, ``5 pts/class``, ``all``.
        max_steps: Planned training iterations.
        val_interval: Iterations between evaluations.
        max_epochs: Planned epochs, where the schedule counts epochs.
        crop: Crop size as ``HxW``.
        batch_size: Images per GPU and optimizer step.
        num_gpus: Number of GPUs, where the config says (0.x).
        evaluated_on: Dataset, folder and mode of the evaluation.
        train_data: Parts of the training set: fold, scenes, split.
        seed: Random seed.
        fingerprint: Equal for runs that differ in the seed alone.
        fold_fingerprint: Equal for runs that differ in the seed and the fold alone.
        work_dir: Work dir as the config states it.
        resumed_with_other: Settings that were others before a resume, as dotted keys.
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
    resumed_with_other: str = ""


@dataclass(slots=True)
class LogPart:
    """What the log files of one start of the training command say; a field is left empty where they say nothing.

    Attributes:
        evaluations: Validations during training, in the order of the file.
        tests: Evaluations outside training.
        first_step: Step of the first training row.
        step_interval: Steps between the first two training rows.
        last_step: Step of the last training row.
        max_steps: Planned iterations.
        resumed_from: Step of the checkpoint that training was resumed from.
        seconds_per_step: Median over the training rows, in s.
        memory: Maximum over the training rows, in MB.
        num_parameters: Parameters of the model.
        num_gpus: Number of GPUs.
        seed: Random seed.
        config_name: Base name of the config.
        settings: What a config embedded in the log says.
        started: Date and time of the first line, as ``2025-05-13 16:29:48``.
        ended: Date and time of the last line.
        num_bad_lines: Lines that could not be read.
        is_cut: The file ends inside a line, a table or a config.
        is_test: A test has logged its progress.
        is_stopped_early: The last line about training is that of mmengine's EarlyStoppingHook.
        error: Last line of a traceback at the end of the log.
        problem: Why the file could not be read at all.
        stamp: When the command was started, as ``YYYYMMDD_HHMMSS``; empty where the name does not say.
        changed: When a file of this start was last written, in s since 1970.
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
    is_test: bool = False
    is_stopped_early: bool = False
    error: str = ""
    problem: str = ""
    stamp: str = ""
    changed: float = 0.0

    def set_training(self, steps: Sequence[Any], seconds: Iterable[str | None], memory: Iterable[str | None]) -> None:
        """Set what the training rows say.

        Args:
            steps: Their steps, as numbers or text.
            seconds: Times of a step in s; None is left out.
            memory: Memory in MB; None is left out.
        """
        if steps:
            self.first_step, self.last_step = int(steps[0]), int(steps[-1])
            self.step_interval = int(steps[1]) - self.first_step if len(steps) > 1 else None
        times = [*map(float, filter(None, seconds))]
        self.seconds_per_step = round(statistics.median(times), 6) if times else None
        self.memory = max(map(float, filter(None, set(memory))), default=None)


@dataclass(slots=True)
class Run:
    """One training run, put together from all its logs.

    Attributes:
        name: Base name of the config.
        work_dir: Folder (or file) of the logs.
        label: Work dir and first timestamp, different for every run.
        evaluations: Validations in the order of their steps, without those that a resume rolled back.
        tests: Evaluations outside training.
        done: Training iterations done.
        planned: Training iterations planned.
        state: finished, running, stopped, stopped early (by EarlyStoppingHook), crashed, unfinished (cut or empty),
            ended (the logs do not say how many iterations were planned), tested or predicted (a test without scores).
        started: Date and time of the first line.
        settings: What the config says.
        seconds_per_step: Time of a training iteration, in s.
        memory: Maximum GPU memory, in MB.
        num_parameters: Parameters of the model.
        num_gpus: Number of GPUs.
        seed: Random seed.
        folders: Folders of its starts, oldest first, where metrics leave files.
        note: What a reader of the scores has to know, such as a resume with another config.
        warnings: What could not be read, a line each.
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
    folders: list[str] = field(default_factory=list)
    note: str = ""
    warnings: list[str] = field(default_factory=list)
