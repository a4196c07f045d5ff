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
    """End the masked attention of EoMT or PMTHead, from its first block to its last.

    Validation, checkpoints and the trained model have the probabilities of their iteration; a resumed run goes on with
    them.

    Args:
        start: For each block that queries are in, the iteration at which its probability begins to fall from 1.
        end: For each, the iteration from which it is 0.
        power: Of the polynomial by which it falls.

    Raises:
        UserError: A block ends before it starts, or the model has no such head, or one of other blocks.

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
        parts = list(runner.model.modules())
        heads = [part for part in parts if isinstance(part, EoMT)]
        # PMTHead has blocks of its own, EoMT runs the last ones of the backbone.
        depths = [len(part.blocks) for part in heads if hasattr(part, "blocks")]
        depths = depths or [part.query_blocks for part in parts if getattr(part, "query_blocks", 0)]
        if not heads or depths != [len(self.start)]:
            raise UserError(
                f"MaskAnnealingHook: expected an EoMT or PMTHead with {len(self.start)} blocks that queries are in, as "
                f"many as `start` has, got {f'{depths} blocks' if heads else 'none'}."
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
