"""An encoder-decoder that also learns from unlabelled pixels."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.utils import SampleList, add_prefix
from torch import Tensor, nn

from mmseg_ext.arguments import ComponentConfig
from mmseg_ext.errors import UserError
from mmseg_ext.models.regularizers import Regularizer, TrainingBatch
from mmseg_ext.models.segmentors.blockwise_prediction import BlockwisePrediction
from mmseg_ext.models.segmentors.mean_teacher import MeanTeacher, last_logits
from mmseg_ext.registry import MODELS

STUDENT_PREFIX = "student."
"""Prefix of the student's keys in a state dict whose ordinary keys hold the teacher."""

TEACHER_PREFIX = "teacher.average.module."
"""Prefix of the teacher's keys in the segmentor, and in a state dict whose ordinary keys hold the student."""


def _with_background(logits_NChw: Tensor) -> Tensor:
    """Convert the logit of one sigmoid channel to two logits with the same probabilities under softmax."""
    return torch.cat([torch.zeros_like(logits_NChw), logits_NChw], 1) if logits_NChw.shape[1] == 1 else logits_NChw


@MODELS.register_module()
class SparseEncoderDecoder(BlockwisePrediction):
    """``mmseg_ext.EncoderDecoder`` with regularisers and a mean teacher, for sparse labels.

    Each regulariser adds its loss to those of the heads, under its own name; so does the teacher. With a teacher, the
    teacher predicts.

    The network and the keys of its weights are those of EncoderDecoder. In a checkpoint these keys hold the weights
    that predict: loaded into an EncoderDecoder, it gives the class maps of the run's own validation. If these are the
    teacher's, those of the student are under `student.`. A resumed run continues exactly: the checkpoint also holds
    the number of training iterations.

    Args:
        *args: Passed to :class:`BlockwisePrediction`.
        regularizers: Configs of regularisers, such as ``[dict(type='mmseg_ext.PottsLoss')]``.
        teacher: Settings of :class:`MeanTeacher`, such as ``dict(start=500)``; None for no teacher.
        **kwargs: Passed to :class:`BlockwisePrediction`.

    Raises:
        UserError: Two losses have the same name, or a decode head does not compute its loss from logits.
    """

    def __init__(
        self,
        *args: Any,
        regularizers: Sequence[ComponentConfig] = (),
        teacher: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        heads = [m for m in self.modules() if isinstance(m, BaseDecodeHead) and type(m).loss is not BaseDecodeHead.loss]
        if heads:
            raise UserError(
                f"Expected heads whose loss is computed from their logits, got {type(heads[0]).__name__}, which has a "
                "loss of its own. Use EncoderDecoder with it."
            )
        self.regularizers = nn.ModuleList(MODELS.build(r) for r in regularizers)
        self.teacher = MeanTeacher(self._student(), **teacher) if teacher is not None else None
        names = [loss.loss_name for loss in (*self.regularizers, self.teacher) if loss is not None]
        if len(set(names)) < len(names):
            raise UserError(f"Expected regularisers of different `loss_name`, got {names}.")
        self.register_state_dict_post_hook(_swap_before_saving)
        self.register_load_state_dict_pre_hook(_swap_before_loading)
        # A buffer, so that it is saved in checkpoints; regularisers start by it.
        self.iteration: Tensor
        self.register_buffer("iteration", torch.zeros((), dtype=torch.long))

    def _student(self) -> dict[str, nn.Module]:
        student: dict[str, nn.Module] = {"backbone": self.backbone, "decode_head": self.decode_head}
        return student | ({"neck": self.neck} if self.with_neck else {})

    @contextmanager
    def _predicting(self) -> Iterator[None]:
        """Replace backbone, neck and decode head by those of the teacher, if the teacher predicts."""
        own = self._student()
        try:
            for name, module in (self.teacher.modules_to_predict_with if self.teacher else {}).items():
                setattr(self, name, module)
            yield
        finally:
            for name, module in own.items():
                setattr(self, name, module)

    def predict(self, inputs: Tensor, data_samples: SampleList | None = None) -> SampleList:
        """Predict a batch, with the teacher if the teacher predicts; see :meth:`BlockwisePrediction.predict`."""
        with self._predicting():
            return super().predict(inputs, data_samples)

    def input_logits(self, inputs: Tensor, metas: list[dict]) -> Tensor:
        """Compute the logits at the size of the inputs, the teacher's if the teacher predicts."""
        with self._predicting():
            return super().input_logits(inputs, metas)

    def _forward(self, inputs: Tensor, data_samples: SampleList | None = None) -> Tensor:
        """Compute the raw output of the decode head, the teacher's if the teacher predicts."""
        with self._predicting():
            return super()._forward(inputs, data_samples)

    def _colors(self, inputs: Tensor) -> Tensor:
        """Undo the normalisation of the network's input; returns colours in about [0, 1]."""
        preprocessor = self.data_preprocessor
        if getattr(preprocessor, "_enable_normalize", False):
            inputs = inputs * preprocessor.std + preprocessor.mean
        return inputs / 255

    def _training_batch(
        self, inputs: Tensor, features: Sequence[Tensor], logits: Tensor, data_samples: SampleList
    ) -> TrainingBatch:
        labels_NHW = torch.stack([sample.gt_sem_seg.data.squeeze(0) for sample in data_samples])
        image_NHW = torch.zeros_like(labels_NHW, dtype=torch.bool)
        for image_HW, sample in zip(image_NHW, data_samples, strict=True):
            height, width = sample.metainfo.get("img_shape", image_HW.shape)[:2]
            image_HW[:height, :width] = True
        return TrainingBatch(
            self._colors(inputs),
            features,
            _with_background(logits),
            labels_NHW,
            image_NHW,
            self.decode_head.ignore_index,
        )

    def _auxiliary_losses(self, features: Sequence[Tensor], data_samples: SampleList) -> dict[str, Tensor]:
        several = isinstance(self.auxiliary_head, nn.ModuleList)
        losses = {}
        for i, head in enumerate(self.auxiliary_head if several else [self.auxiliary_head]):
            computed = head.loss_by_feat(head(features), data_samples)
            losses.update(add_prefix(computed, f"aux_{i}" if several else "aux"))
        return losses

    def loss(self, inputs: Tensor, data_samples: SampleList) -> dict[str, Tensor]:
        """Compute the losses of the heads, the regularisers and the teacher.

        Args:
            inputs: Images as the data preprocessor returns them, (N, 3, H, W).
            data_samples: With the labels in ``gt_sem_seg``.

        Returns:
            Every loss by its name.
        """
        features = self.backbone(inputs)
        decoded = self.neck(features) if self.with_neck else features
        output = self.decode_head(decoded)
        iteration = int(self.iteration)
        due = [r for r in self.regularizers if isinstance(r, Regularizer) and iteration >= r.start]
        uses_teacher = self.teacher is not None and iteration >= self.teacher.start
        if due or uses_teacher:
            batch = self._training_batch(inputs, features, last_logits(output), data_samples)
        losses = add_prefix(self.decode_head.loss_by_feat(output, data_samples), "decode")
        if self.with_auxiliary_head:
            losses.update(self._auxiliary_losses(decoded, data_samples))
        for regularizer in due:
            losses[regularizer.loss_name] = regularizer(batch)
        if self.teacher is not None:
            self.teacher.update(self._student())
            if uses_teacher:
                teacher_logits = self.teacher.logits(inputs, self._student())
                losses[self.teacher.loss_name] = self.teacher.loss(batch, _with_background(teacher_logits))
        self.iteration += 1
        return losses


def _swap_before_saving(
    segmentor: SparseEncoderDecoder, state_dict: dict[str, Tensor], prefix: str, _metadata: object
) -> None:
    """Swap the keys of student and teacher in a state dict, if the teacher predicts.

    mmengine's EMAHook does the same for its average. Then the ordinary keys hold the weights that validation reported.
    """
    if segmentor.teacher is None or not segmentor.teacher.modules_to_predict_with:
        return
    teacher_prefix = prefix + TEACHER_PREFIX
    for key in [key for key in state_dict if key.startswith(teacher_prefix)]:
        name = key.removeprefix(teacher_prefix)
        if prefix + name in state_dict:
            state_dict[prefix + STUDENT_PREFIX + name] = state_dict[prefix + name]
            state_dict[prefix + name] = state_dict.pop(key)


def _swap_before_loading(
    segmentor: SparseEncoderDecoder, state_dict: dict[str, Tensor], prefix: str, *_: object
) -> None:
    """Undo :func:`_swap_before_saving`; a state dict without keys of the student was not swapped."""
    if segmentor.teacher is None:
        return
    student_prefix = prefix + STUDENT_PREFIX
    for key in [key for key in state_dict if key.startswith(student_prefix)]:
        name = key.removeprefix(student_prefix)
        state_dict[prefix + TEACHER_PREFIX + name] = state_dict[prefix + name]
        state_dict[prefix + name] = state_dict.pop(key)
