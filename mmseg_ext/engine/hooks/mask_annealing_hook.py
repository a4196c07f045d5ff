"""Masked attention that ends block by block."""

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmseg_ext.arguments import NonNegativeInt, PositiveFloat
from mmseg_ext.errors import UserError
from mmseg_ext.models import EoMT
from mmseg_ext.registry import HOOKS


def mask_probability(iteration: int, start: int, end: int, power: float) -> float:
    """Compute the probability that a query attends only to its mask.

    Args:
        iteration: Number of finished iterations.
        start: Until there it is 1.
        end: From there on it is 0.
        power: In between it is the remaining share of the iterations, to this power.

    Example:
        >>> [round(mask_probability(i, 10, 20, 0.9), 3) for i in (0, 10, 15, 19, 20)]
        [1.0, 1.0, 0.536, 0.126, 0.0]
    """
    if iteration >= end:
        return 0.0
    return min((end - iteration) / (end - start), 1.0) ** power


@HOOKS.register_module()
class MaskAnnealingHook(Hook):
    """End the masked attention of :class:`~mmseg_ext.models.heads.EoMT`, from its first block to its last.

    Validation, checkpoints and the trained model have the probabilities of their iteration; a resumed run goes on with
    them.

    Args:
        start: For each of the backbone's `query_blocks`, the iteration at which its probability begins to fall from 1.
        end: For each, the iteration from which it is 0.
        power: Of the polynomial by which it falls.

    Raises:
        UserError: A block ends before it starts, or the model has no EoMT with as many blocks.

    Reference:
        Kerssies et al., Your ViT is Secretly an Image Segmentation Model, CVPR 2025, section 3.3.

    Example:
        In a config: ``custom_hooks = [*_base_.custom_hooks, dict(type='mmseg_ext.MaskAnnealingHook',
        start=[6520, 13040, 19560, 26080], end=[13040, 19560, 26080, 32600])]``.
    """

    def __init__(
        self, start: Sequence[NonNegativeInt], end: Sequence[NonNegativeInt], power: PositiveFloat = 0.9
    ) -> None:
        if not 0 < len(start) == len(end) or any(first >= last for first, last in zip(start, end, strict=False)):
            raise UserError(
                "MaskAnnealingHook: expected one `start` and one later `end` for each block, got "
                f"start={list(start)} and end={list(end)}."
            )
        self.start, self.end, self.power = list(start), list(end), power

    def before_train(self, runner: Runner) -> None:
        """Find the head, and set the probabilities of the first iteration."""
        heads = [module for module in runner.model.modules() if isinstance(module, EoMT)]
        depths = [getattr(m, "query_blocks", 0) for m in runner.model.modules() if getattr(m, "query_blocks", 0)]
        if not heads or depths != [len(self.start)]:
            raise UserError(
                f"MaskAnnealingHook: expected an EoMT on a backbone with query_blocks={len(self.start)}, as many as "
                f"`start` has, got {type(heads[0]).__name__ if heads else 'no EoMT'} and query_blocks={depths or 0}."
            )
        self._head = heads[0]
        self._set(runner.iter)

    def after_train_iter(self, runner: Runner, *_args: object, **_kwargs: object) -> None:
        """Set the probabilities of the next iteration; a checkpoint of this one holds them."""
        self._set(runner.iter + 1)

    def _set(self, iteration: int) -> None:
        self._head.mask_probabilities = tuple(
            mask_probability(iteration, start, end, self.power) for start, end in zip(self.start, self.end, strict=True)
        )
