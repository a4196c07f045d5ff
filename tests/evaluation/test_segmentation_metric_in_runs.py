"""A Runner keeps the best checkpoint by one class or by the loss, and the matrix file bears the iteration."""

import json
from pathlib import Path

import torch
from mmengine.dataset import pseudo_collate
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch.utils.data import Dataset

CLASSES = ("land", "water", "road", "roof")


class OneImage(Dataset):
    """One image, whose labels are classes 0 to 3."""

    metainfo = {"classes": CLASSES}

    def __len__(self):
        return 1

    def __getitem__(self, index):
        data_sample = SegDataSample(metainfo={"img_path": "1.png"})
        data_sample.gt_sem_seg = PixelData(data=torch.arange(8).view(1, 2, 4) // 2)
        return {"inputs": torch.zeros(3, 2, 4), "data_samples": data_sample}


class ScriptedModel(BaseModel):
    """Finds water after one step and after two (better), and nothing but land after three."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def forward(self, inputs, data_samples, mode):
        if mode == "loss":
            self.steps += 1
            return {"loss": self.weight**2}
        found = {0: [0] * 8, 1: [0, 0, 0, 1, 2, 2, 3, 3], 2: [1, 0, 1, 1, 0, 0, 0, 0], 3: [0, 0, 0, 0, 2, 2, 3, 3]}
        for data_sample in data_samples:
            data_sample.pred_sem_seg = PixelData(data=torch.tensor(found[int(self.steps)]).view(1, 2, 4))
        return data_samples


class IterationHook(Hook):
    """Notes the iteration that the matrix file bears after each validation."""

    def __init__(self):
        self.iterations = []

    def after_val_epoch(self, runner, metrics=None):
        path = Path(runner._log_dir) / "confusion_matrix.json"
        self.iterations.append(json.loads(path.read_text())["iteration"])


def make_runner(work_dir, name, model=None, **kwargs):
    loader = {
        "dataset": OneImage(),
        "batch_size": 1,
        "num_workers": 0,
        "collate_fn": pseudo_collate,
        "sampler": {"type": "DefaultSampler", "shuffle": False},
    }
    evaluator = {"type": "mmseg_ext.SegmentationMetric"}
    return Runner(
        model=model or ScriptedModel(),
        work_dir=str(work_dir),
        experiment_name=name,
        val_dataloader=loader,
        val_cfg={},
        val_evaluator=evaluator,
        test_dataloader=loader,
        test_cfg={},
        test_evaluator=evaluator,
        default_scope="mmseg",
        log_level="ERROR",
        **kwargs,
    )


def test_a_runner_keeps_the_checkpoint_of_the_best_class_and_the_matrix_bears_its_iteration(tmp_path):
    hook = IterationHook()
    runner = make_runner(
        tmp_path,
        "test_save_best",
        train_dataloader={
            "dataset": OneImage(),
            "batch_size": 1,
            "num_workers": 0,
            "collate_fn": pseudo_collate,
            "sampler": {"type": "InfiniteSampler", "shuffle": False},
        },
        train_cfg={"type": "IterBasedTrainLoop", "max_iters": 3, "val_interval": 1},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}},
        default_hooks={
            "checkpoint": {
                "type": "CheckpointHook",
                "by_epoch": False,
                "interval": 10,
                "save_best": "IoU.water",
                "rule": "greater",
            }
        },
        custom_hooks=[hook],
    )
    runner.train()
    # Water's IoU: 1/2 after one step, 2/3 after two (with a worse mean), 0 after three.
    assert runner.message_hub.get_info("best_score") == 66.67
    assert [p.name for p in tmp_path.glob("best_*.pth")] == ["best_IoU.water_iter_2.pth"]
    assert hook.iterations == [1, 2, 3]


class LossModel(ScriptedModel):
    """Finds the same at every step, with a cross-entropy that falls and rises again."""

    def forward(self, inputs, data_samples, mode):
        if mode == "loss":
            return super().forward(inputs, data_samples, mode)
        for data_sample in data_samples:
            data_sample.pred_sem_seg = PixelData(data=torch.zeros(1, 2, 4, dtype=torch.long))
            total = {1: 8.0, 2: 4.0, 3: 4.8, 4: 5.6, 5: 6.4}[int(self.steps)]
            data_sample.cross_entropy = {"sum": total, "num_pixels": 8}
        return data_samples


def test_a_runner_keeps_the_checkpoint_of_the_least_loss_and_stops_early(tmp_path):
    checkpoint = {"type": "CheckpointHook", "by_epoch": False, "interval": 10, "save_best": "val_loss", "rule": "less"}
    runner = make_runner(
        tmp_path,
        "test_early_stopping",
        model=LossModel(),
        train_dataloader={
            "dataset": OneImage(),
            "batch_size": 1,
            "num_workers": 0,
            "collate_fn": pseudo_collate,
            "sampler": {"type": "InfiniteSampler", "shuffle": False},
        },
        train_cfg={"type": "IterBasedTrainLoop", "max_iters": 5, "val_interval": 1},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}},
        default_hooks={"checkpoint": checkpoint},
        custom_hooks=[
            {"type": "EarlyStoppingHook", "monitor": "val_loss", "rule": "less", "patience": 2, "min_delta": 0.001}
        ],
    )
    runner.train()
    assert runner.message_hub.get_info("best_score") == 0.5
    assert [p.name for p in tmp_path.glob("best_*.pth")] == ["best_val_loss_iter_2.pth"]
    assert runner.iter == 4


def test_a_runner_that_only_tests_names_no_iteration(tmp_path):
    runner = make_runner(tmp_path, "test_only_test")
    scores = runner.test()
    assert scores["aAcc"] == 25.0
    record = json.loads((Path(runner._log_dir) / "confusion_matrix_test.json").read_text())
    assert record["iteration"] is None
    assert record["matrix"] == [[2, 0, 0, 0]] * 4
