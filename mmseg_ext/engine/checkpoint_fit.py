"""Whether the weights of a checkpoint are those of a model."""

import re
from collections.abc import Mapping
from typing import Any

from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import nn

from mmseg_ext.errors import MAX_LISTED, UserError


def check_fit(model: nn.Module, checkpoint: Mapping[str, Any], file: str) -> None:
    """Load a checkpoint into a model, or refuse it.

    Weights that the model does not have are passed over: those of an auxiliary head or of a student, for example.

    Args:
        model: The model, or a wrapper around it.
        checkpoint: A state dict, or a dict that holds one as 'state_dict'.
        file: Its name, for the message.

    Raises:
        UserError: Weights of the model are missing in the checkpoint, or have another shape there.
    """
    inner: Any = model
    while is_model_wrapper(inner) or isinstance(inner, BaseTTAModel):
        inner = inner.module
    state_dict = checkpoint.get("state_dict", checkpoint)
    weights = {re.sub(r"^module\.", "", name): value for name, value in state_dict.items()}
    shapes = {name: tuple(value.shape) for name, value in inner.state_dict().items()}
    differing = []
    try:
        missing = list(inner.load_state_dict(weights, strict=False).missing_keys)
    except RuntimeError as error:
        differing = re.findall(
            r"size mismatch for (\S+): .*?shape torch\.Size\(\[([\d, ]*)\]\).*?torch\.Size\(\[([\d, ]*)\]\)", str(error)
        )
        if not differing:
            raise
        missing = [name for name in shapes if name not in weights]
    found = [f"{name} has shape ({had}), the model's ({has})" for name, had, has in differing]
    found += [f"{name} is missing" for name in missing]
    if found:
        more = f"; and {len(found) - MAX_LISTED} more" if len(found) > MAX_LISTED else ""
        raise UserError(
            f"Expected the weights of this config's model in {file}, got others: "
            f"{'; '.join(found[:MAX_LISTED])}{more}. Name the config that the checkpoint was trained with. "
            "To load what fits, add --allow-partial."
        )
