"""A teacher whose weights are the moving average of its student's."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mmseg_ext.errors import UserError
from mmseg_ext.models.regularizers import TrainingBatch
from mmseg_ext.models.regularizers.collision_cross_entropy import collision_cross_entropy
from mmseg_ext.models.regularizers.regularizer import check_loss_settings


def last_logits(output: Tensor | Sequence[Tensor]) -> Tensor:
    """Take a head's logits; those of the last stage where it has several."""
    return output if isinstance(output, Tensor) else output[-1]


class MeanTeacher(nn.Module):
    """Teaches the unlabelled pixels what the averaged network sees in the same image, flipped.

    Its weights and statistics are part of the checkpoint, so a resumed run goes on with the same teacher. It predicts
    in evaluation mode and gets no gradient. A backbone of which nothing is trained is not copied, but used.

    Args:
        student: backbone, decode_head and, where there is one, neck.
        momentum: Share of the student's weights that enters the average at every training iteration.
        start: Training iterations before the teacher is heard.
        temperature: Divides the teacher's logits; below 1 it sounds surer than it is.
        flip: Whether the teacher sees the mirror image, so that both have to agree on more than their mistakes.
        predicts: Whether it is the teacher that predicts, in validation and test; else the student does.
        loss_weight: Factor on the loss; η of the paper.
        loss_name: Key in the log.

    Raises:
        UserError: A setting is out of range.

    Reference:
        Tarvainen and Valpola, Mean teachers are better role models, 2017 (arXiv 1703.01780), for the average; Zhang
        and Boykov, CVPR 2025 (arXiv 2507.01721), for collision cross-entropy with η = 0.3.
    """

    def __init__(
        self,
        student: dict[str, nn.Module],
        momentum: float = 0.001,
        start: int = 0,
        temperature: float = 1.0,
        flip: bool = True,
        predicts: bool = True,
        loss_weight: float = 0.3,
        loss_name: str = "loss_teacher",
    ) -> None:
        super().__init__()
        if not 0 < momentum < 1:
            raise UserError(f"Expected the teacher's `momentum` between 0 and 1, such as 0.001, got {momentum}.")
        if temperature <= 0:
            raise UserError(f"Expected the teacher's `temperature` above 0, got {temperature}.")
        check_loss_settings(loss_name, start)
        self.start = start
        self.temperature = temperature
        self.flip = flip
        self.predicts = predicts
        self.loss_weight = loss_weight
        self.loss_name = loss_name
        backbone = student["backbone"]
        self.shares_backbone = not any(p.requires_grad for p in backbone.parameters())
        # Not mmengine's ExponentialMovingAverage: it goes on averaging the tensors that it saw when it was built, and a
        # model that is moved to another device or layout has others.
        average = get_ema_multi_avg_fn(1 - momentum)
        self.average = AveragedModel(self._averaged(student), multi_avg_fn=average, use_buffers=True)
        self.average.requires_grad_(False)
        self.average.eval()

    def _averaged(self, student: dict[str, nn.Module]) -> nn.ModuleDict:
        return nn.ModuleDict({k: m for k, m in student.items() if not (self.shares_backbone and k == "backbone")})

    def train(self, mode: bool = True) -> "MeanTeacher":
        """Stay in evaluation mode."""
        return super().train(False)

    @property
    def modules_to_predict_with(self) -> dict[str, nn.Module]:
        """The averaged modules by name; none before the first average, and none if the student predicts."""
        averaged = self.average.module if self.predicts and int(self.average.n_averaged) else None
        return dict(averaged.items()) if isinstance(averaged, nn.ModuleDict) else {}

    @torch.no_grad()
    def follow(self, student: dict[str, nn.Module]) -> None:
        """Take in the student's weights: all of them the first time, the share `momentum` afterwards."""
        self.average.update_parameters(self._averaged(student))

    @torch.no_grad()
    def logits(self, images: Tensor, student: dict[str, nn.Module]) -> Tensor:
        """Predict.

        Args:
            images: Network input, (N, 3, H, W).
            student: Whose backbone is used where it is shared.

        Returns:
            What the averaged decode head returns, divided by the temperature, (N, C, h, w).
        """
        modules: Any = self.average.module
        images = images.flip(3) if self.flip else images
        features = (student["backbone"] if self.shares_backbone else modules["backbone"])(images)
        if "neck" in modules:
            features = modules["neck"](features)
        logits = last_logits(modules["decode_head"](features)) / self.temperature
        return logits.flip(3) if self.flip else logits

    def loss(self, batch: TrainingBatch, teacher_logits: Tensor) -> Tensor:
        """Compute the weighted loss over the cells of the logits that hold no labelled pixel."""
        h, w = batch.logits_NChw.shape[2:]
        counted = batch.unlabelled_at((h, w))
        with torch.autocast(batch.logits_NChw.device.type, enabled=False):
            return self.loss_weight * collision_cross_entropy(batch.logits_NChw, teacher_logits, counted)
