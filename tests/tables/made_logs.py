"""Generated logs, line for line as mmengine 1.x and mmseg 0.x write them.

The benchmark of the tables uses them too.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

CLASSES = ("road", "water", "bed, double", "bare ground")
STAMP = "20250102_030405"


@dataclass
class MadeRun:
    """What a generated run is to say.

    ``scores`` are (step, mIoU) pairs in percent; per-class numbers follow from them: class number i of n has an IoU of
    mIoU + i - (n - 1) / 2 and an accuracy 10 points higher.
    """

    name: str = "fcn_r18_1xb4-200_loveda-64x64"
    stamp: str = STAMP
    scores: Sequence[tuple[int, float]] = ((100, 40.0), (200, 42.5))
    max_steps: int = 200
    first_step: int = 10
    last_step: int = 200
    interval: int = 10
    val_interval: int = 100
    classes: Sequence[str] = CLASSES
    resumed_from: int | None = None
    with_class_scalars: bool = False
    num_progress_lines: int = 2
    seed: int = 7
    num_gpus: int = 1
    config: dict[str, object] = field(default_factory=dict)
    parameters: Sequence[Sequence[int]] = ((8, 3, 3, 3), (8,), (4, 8, 1, 1))

    def config_source(self) -> str:
        """The dumped config."""
        values = {
            "dataset_type": "mmseg_ext.LoveDADataset",
            "dataset": "data_root='data/loveDA', split='train'",
            "backbone": "dict(type='ResNet', depth=18)",
            "head": "dict(type='FCNHead', num_classes=4)",
            "extra_transform": "",
            "crop": "64,\n                    64,",
            "batch_size": 4,
            "work_dir": f"./work_dirs/{self.name}",
            "seed": self.seed,
            **self.config,
        }
        return _CONFIG.format(max_iters=self.max_steps, val_interval=self.val_interval, **values)

    def evaluation(self, step: int, score: float) -> dict[str, float]:
        """The metrics of one evaluation, in the order of a log row."""
        row = {"aAcc": round(score + 20, 2), "mIoU": score, "mAcc": round(score + 10, 2)}
        if self.with_class_scalars:
            row.update({f"IoU.{name}": value for name, value in self.class_scores(score).items()})
            row.update({f"Acc.{name}": round(value + 10, 2) for name, value in self.class_scores(score).items()})
        return row

    def class_scores(self, score: float) -> dict[str, float]:
        """The IoU of every class."""
        middle = (len(self.classes) - 1) / 2
        return {name: round(min(max(score + index - middle, 0), 89), 2) for index, name in enumerate(self.classes)}

    def steps(self) -> range:
        """The steps of the training rows."""
        return range(self.first_step, self.last_step + 1, self.interval)

    def _moments(self) -> list[int]:
        """The steps of training rows and evaluations."""
        return sorted({*self.steps(), *(step for step, _ in self.scores if self.first_step <= step <= self.last_step)})

    def scalars(self) -> str:
        """The content of ``vis_data/scalars.json``."""
        numbers = random.Random(self.seed)
        scores = dict(self.scores)
        lines = []
        for step in self._moments():
            if (step - self.first_step) % self.interval == 0:
                row = self._train_row(numbers, step)
                lines.append(json.dumps(row))
            if step in scores:
                row = {**self.evaluation(step, scores[step]), "data_time": 0.0019, "time": 0.0475, "step": step}
                lines.append(json.dumps(row))
        return "".join(line + "\n" for line in lines)

    def _train_row(self, numbers: random.Random, step: int) -> dict[str, float]:
        loss = numbers.random()
        return {
            "lr": 0.01 * (1 - step / (self.max_steps + 1)) ** 0.9,
            "data_time": 0.012 + numbers.random() / 1000,
            "loss": loss,
            "decode.loss_ce": loss,
            "decode.acc_seg": 60 + 30 * numbers.random(),
            "time": 0.25 + numbers.random() / 100,
            "iter": step,
            "memory": 4218 + (step == self.first_step) * 215,
            "step": step,
        }

    def text(self) -> str:
        """The content of ``<stamp>.log``."""
        numbers = random.Random(self.seed)
        scores = dict(self.scores)
        out = [_HEAD.format(seed=self.seed, num_gpus=self.num_gpus), f"{_now(0)}Config:\n{self.config_source()}\n"]
        out.append(f"{_now(0)}Name of parameter - Initialization information\n\n")
        for index, shape in enumerate(self.parameters):
            size = ", ".join(map(str, shape))
            out.append(f"backbone.layer{index}.weight - torch.Size([{size}]): \nNormalInit: mean=0, std=0.01 \n\n")
        if self.resumed_from is not None:
            out.append(f"{_now(1)}resumed epoch: 0, iter: {self.resumed_from}\n")
        width = len(str(self.max_steps))
        for step in self._moments():
            if (step - self.first_step) % self.interval == 0:
                row = self._train_row(numbers, step)
                out.append(
                    f"{_now(step)}Iter(train) [{step:>{width}}/{self.max_steps}]  lr: {row['lr']:.4e}  "
                    f"eta: 0:14:57  time: {row['time']:.4f}  data_time: {row['data_time']:.4f}  "
                    f"memory: {row['memory']}  loss: {row['loss']:.4f}  decode.loss_ce: {row['loss']:.4f}  "
                    f"decode.acc_seg: {row['decode.acc_seg']:.4f}\n"
                )
                if step % 1000 == 0:
                    out.append(f"{_now(step)}Exp name: {self.name}_{self.stamp}\n")
            if step in scores:
                out.append(self._evaluation_text(step, scores[step], "val"))
        return "".join(out)

    def _evaluation_text(self, step: int, score: float, mode: str) -> str:
        total = self.num_progress_lines
        out = [
            f"{_now(step)}Iter({mode}) [{index}/{total}]    eta: 0:00:01  time: 0.0551  data_time: 0.0020  "
            "memory: 1077  \n"
            for index in range(1, total + 1)
        ]
        items = "  ".join(f"{name}: {value:.4f}" for name, value in self.evaluation(step, score).items())
        out.append(f"{_now(step)}per class results:\n{_now(step)}\n{class_table(self.class_scores(score))}\n")
        out.append(f"{_now(step)}Iter({mode}) [{total}/{total}]    {items}  data_time: 0.0019  time: 0.0475\n")
        return "".join(out)

    def test_text(self, score: float) -> str:
        """A text log of ``tools/test.py``."""
        head = _HEAD.format(seed=self.seed, num_gpus=self.num_gpus)
        return head + f"{_now(0)}Config:\n{self.config_source()}\n" + self._evaluation_text(0, score, "test")

    def write(self, root: Path, *, text: bool = True, scalars: bool = True, config: bool = True) -> Path:
        """Write the run below a folder as mmengine 1.x does; returns its work dir."""
        work_dir = root / self.name
        folder = work_dir / self.stamp
        (folder / "vis_data").mkdir(parents=True, exist_ok=True)
        if text:
            (folder / f"{self.stamp}.log").write_text(self.text(), encoding="utf-8")
        if scalars:
            (folder / "vis_data" / "scalars.json").write_text(self.scalars(), encoding="utf-8")
        if config:
            (work_dir / f"{self.name}.py").write_text(self.config_source(), encoding="utf-8")
            (folder / "vis_data" / "config.py").write_text(self.config_source(), encoding="utf-8")
        return work_dir

    def old_json(self) -> str:
        """The content of a ``.log.json`` of mmseg 0.x: fractions, and the wrong step in the validation rows."""
        numbers = random.Random(self.seed)
        scores = dict(self.scores)
        config = self.old_config_source()
        lines = [
            {"env_info": "sys.platform: linux", "seed": self.seed, "exp_name": f"{self.name}.py", "config": config}
        ]
        for step in self.steps():
            row = self._train_row(numbers, step)
            row.pop("step")
            lines.append({"mode": "train", "epoch": 1, **row})
            if step in scores:
                metrics = {name: round(value / 100, 4) for name, value in self.evaluation(step, scores[step]).items()}
                lines.append({"mode": "val", "epoch": 1, "iter": 25, "lr": 0.0, **metrics})
        return "".join(json.dumps(line) + "\n" for line in lines)

    def old_text(self) -> str:
        """The content of a ``<stamp>.log`` of mmseg 0.x."""
        numbers = random.Random(self.seed)
        scores = dict(self.scores)
        dash = "2025-01-02 03:04:05,678 - mmseg - INFO - "
        out = [f"{dash}Environment info:\n", f"{dash}Config:\n{self.old_config_source()}\n"]
        for step in self.steps():
            row = self._train_row(numbers, step)
            out.append(
                f"{dash}Iter [{step}/{self.max_steps}]\tlr: {row['lr']:.3e}, eta: 1 day, 2:54:14, "
                f"time: {row['time']:.3f}, data_time: 0.021, memory: {row['memory']}, "
                f"decode.loss_ce: {row['loss']:.4f}, decode.acc_seg: 41.6522, loss: {row['loss']:.4f}\n"
            )
            if step in scores:
                metrics = self.evaluation(step, scores[step])
                items = ", ".join(f"{name}: {value / 100:.4f}" for name, value in metrics.items())
                out.append(f"{dash}per class results:\n{dash}\n{class_table(self.class_scores(scores[step]))}\n")
                out.append(f"{dash}Summary:\n{dash}\n+-------+\n|  mIoU |\n+-------+\n| {scores[step]} |\n+-------+\n")
                out.append(f"{dash}Exp name: {self.name}.py\n")
                out.append(f"{dash}Iter(val) [25]\t{items}\n")
        return "".join(out)

    def old_config_source(self) -> str:
        """A dumped config of mmseg 0.x."""
        return _OLD_CONFIG.format(max_iters=self.max_steps, val_interval=self.val_interval, name=self.name)


def class_table(scores: dict[str, float]) -> str:
    """A class table as mmseg prints it, without its last newline."""
    width = max(len(name) for name in scores) + 2
    border = f"+{'-' * width}+-------+-------+"
    lines = [border, f"|{'Class':^{width}}|  IoU  |  Acc  |", border]
    lines += [f"|{name:^{width}}|{value:^7}|{round(value + 10, 2):^7}|" for name, value in scores.items()]
    return "\n".join([*lines, border])


def _now(step: int) -> str:
    hours, rest = divmod(step // 10, 3600)
    return f"2025/01/{2 + hours // 24:02d} {hours % 24:02d}:{rest // 60:02d}:{rest % 60:02d} - mmengine - INFO - "


_HEAD = """\
2025/01/02 03:04:05 - mmengine - INFO - 
------------------------------------------------------------
System environment:
    sys.platform: linux
    numpy_random_seed: {seed}

Runtime environment:
    cudnn_benchmark: True
    seed: {seed}
    Distributed launcher: none
    GPU number: {num_gpus}
------------------------------------------------------------

"""

_CONFIG = """\
dataset_type = '{dataset_type}'
launcher = 'none'
load_from = None
model = dict(
    backbone={backbone},
    data_preprocessor=dict(size=(
        64,
        64,
    ), type='SegDataPreProcessor'),
    decode_head={head},
    test_cfg=dict(mode='whole'),
    type='EncoderDecoder')
optim_wrapper = dict(
    optimizer=dict(lr=0.01, momentum=0.9, type='SGD'), type='OptimWrapper')
randomness = dict(seed={seed})
resume = False
train_cfg = dict(
    max_iters={max_iters}, type='IterBasedTrainLoop', val_interval={val_interval})
train_dataloader = dict(
    batch_size={batch_size},
    dataset=dict(
        {dataset},
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),{extra_transform}
            dict(cat_max_ratio=0.75, crop_size=(
                    {crop}
                ), type='RandomCrop'),
            dict(type='PackSegInputs'),
        ],
        type='{dataset_type}'),
    sampler=dict(shuffle=True, type='InfiniteSampler'))
val_dataloader = dict(
    batch_size=1,
    dataset=dict(data_root='data/loveDA', split='val', type='{dataset_type}'))
work_dir = '{work_dir}'
"""

_OLD_CONFIG = """\
norm_cfg = dict(type='SyncBN', requires_grad=True)
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='ResNetV1c', depth=50),
    decode_head=dict(type='PSPHead', num_classes=4))
data = dict(
    samples_per_gpu=2,
    train=dict(
        type='RepeatDataset',
        times=40,
        dataset=dict(
            type='LoveDADataset',
            pipeline=[
                dict(type='LoadAnnotations'),
                dict(type='RandomCrop', crop_size=(512, 512), cat_max_ratio=0.75)
            ])),
    val=dict(type='LoveDADataset', img_dir='img_dir/val'))
runner = dict(type='IterBasedRunner', max_iters={max_iters})
evaluation = dict(interval={val_interval}, metric='mIoU')
work_dir = './work_dirs/{name}'
gpu_ids = range(0, 4)
"""
