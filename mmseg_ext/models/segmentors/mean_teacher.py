"""A mean teacher: a network whose weights are the moving average of the student's weights."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mmseg_ext.arguments import LossName, NonNegativeInt, OpenFraction, PositiveFloat, checked
from mmseg_ext.models.regularizers import TrainingBatch
from mmseg_ext.models.regularizers.collision_cross_entropy import collision_cross_entropy


def last_logits(output: Tensor | Sequence[Tensor]) -> Tensor:
    """Return the logits of a head, those of the last stage if it has several."""
    return output if isinstance(output, Tensor) else output[-1]


@checked
class MeanTeacher(nn.Module):
    """Moving average of the network; its prediction for the flipped image is the target for unlabelled pixels.

    Weights and buffers are averaged. They are part of the checkpoint, so a resumed run continues with the same teacher.
    The teacher runs in evaluation mode and without gradient. A completely frozen backbone is shared, not copied.

    Args:
        student: backbone, decode_head and, where there is one, neck.
        momentum: Weight of the student in the update of the average, at every training iteration.
        start: Training iterations before the loss is added.
        temperature: Divides the teacher's logits; a value below 1 sharpens its probabilities.
        flip: Give the teacher the horizontally flipped image, so that student and teacher see different inputs.
        predicts: Use the teacher for validation and test; otherwise the student.
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
        momentum: OpenFraction = 0.001,
        start: NonNegativeInt = 0,
        temperature: PositiveFloat = 1.0,
        flip: bool = True,
        predicts: bool = True,
        loss_weight: float = 0.3,
        loss_name: LossName = "loss_teacher",
    ) -> None:
        super().__init__()
        self.start = start
        self.temperature = temperature
        self.flip = flip
        self.predicts = predicts
        self.loss_weight = loss_weight
        self.loss_name = loss_name
        backbone = student["backbone"]
        self.shares_backbone = not any(p.requires_grad for p in backbone.parameters())
        # Not mmengine's ExponentialMovingAverage: it keeps references to the tensors that it averages, and moving the
        # model to another device or memory format replaces them.
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
        """The averaged modules by name; empty before the first update, and if the student predicts."""
        return dict(self.average.module.named_children()) if self.predicts and int(self.average.n_averaged) else {}

    @torch.no_grad()
    def update(self, student: dict[str, nn.Module]) -> None:
        """Update the average with the student's weights; the first update copies them."""
        self.average.update_parameters(self._averaged(student))

    @torch.no_grad()
    def logits(self, images: Tensor, student: dict[str, nn.Module]) -> Tensor:
        """Predict.

        Args:
            images: Network input, (N, 3, H, W).
            student: The student's modules; its backbone is used if it is shared.

        Returns:
            Logits of the averaged decode head, divided by the temperature, (N, C, h, w).
        """
        modules = dict(self.average.module.named_children())
        images = images.flip(3) if self.flip else images
        features = (student["backbone"] if self.shares_backbone else modules["backbone"])(images)
        if "neck" in modules:
            features = modules["neck"](features)
        logits = last_logits(modules["decode_head"](features)) / self.temperature
        return logits.flip(3) if self.flip else logits

    def loss(self, batch: TrainingBatch, teacher_logits: Tensor) -> Tensor:
        """Compute the weighted loss over the cells of the logits without a labelled pixel."""
        h, w = batch.logits_NChw.shape[2:]
        counted = batch.unlabelled_at((h, w))
        with torch.autocast(batch.logits_NChw.device.type, enabled=False):
            return self.loss_weight * collision_cross_entropy(batch.logits_NChw, teacher_logits, counted)
