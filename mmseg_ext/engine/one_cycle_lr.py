"""One cycle of the learning rate, in checkpoints that hold no code."""

from typing import Any

from mmengine.optim import OneCycleLR as MMEngineOneCycleLR

from mmseg_ext.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class OneCycleLR(MMEngineOneCycleLR):
    """mmengine's OneCycleLR, but for what it leaves in a checkpoint.

    Stock saves its annealing function with its numbers: by that a checkpoint holds a class, and is refused where
    checkpoints are loaded as data. The function follows from the config; the numbers are enough to resume.

    Args:
        *args: As for mmengine's.
        **kwargs: As for mmengine's.
    """

    fixed_arguments = ("param_name",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)

    def state_dict(self) -> dict[str, Any]:
        """Return the state without the function."""
        return {name: value for name, value in super().state_dict().items() if name != "anneal_func"}
