"""Checkpoints with only the trained weights, for networks whose frozen weights are in a pretrained file."""

import hashlib
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from mmseg_ext.errors import UserError

DIGEST = "frozen_weights_digest"
SAMPLES = 64  # number of values of each tensor in the digest


def weights_digest(tensors: Iterable[Tensor]) -> Tensor:
    """Compute a digest of weights, from a few values of each tensor.

    Args:
        tensors: The weights, in a fixed order.

    Returns:
        SHA-256, 32 values of type uint8, on the CPU.
    """
    digest = hashlib.sha256()
    for tensor in tensors:
        values = tensor.detach().flatten()
        values = values[:: max(values.numel() // SAMPLES, 1)]
        digest.update(values.to("cpu", torch.float32).numpy().tobytes())
    return torch.tensor(list(digest.digest()), dtype=torch.uint8)


class TrainedStateMixin(nn.Module):
    """Mixin that removes frozen weights from the state dict if they came from a pretrained file.

    The state dict holds a digest of the file's weights instead. A module that was built with the same file, frozen or
    not, can load it; others raise an error. Without pretrained weights, the state dict is complete.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pretrained_digest: Tensor | None = None
        self._trained_names: frozenset[str] = frozenset()
        self.register_state_dict_post_hook(_leave_out)
        self.register_load_state_dict_pre_hook(_take_back)

    def remember_trained(self) -> None:
        """Keep the parameters that are trained now in all later state dicts.

        A moving average of the module (mmengine's EMAHook, the mean teacher) is a copy without `requires_grad`, but the
        averages have to be saved.
        """
        self._trained_names = frozenset(name for name, tensor in self.named_parameters() if tensor.requires_grad)

    def frozen_state(self) -> dict[str, Tensor]:
        """Return frozen parameters and persistent buffers by key; nothing if every parameter is trained."""
        parameters = {
            name: tensor
            for name, tensor in self.named_parameters()
            if not tensor.requires_grad and name not in self._trained_names
        }
        return {**parameters, **_persistent_buffers(self)} if parameters else {}


def _persistent_buffers(module: nn.Module) -> dict[str, Tensor]:
    return {
        f"{prefix}.{name}" if prefix else name: buffer
        for prefix, child in module.named_modules()
        for name, buffer in child.named_buffers(recurse=False)
        if name not in child._non_persistent_buffers_set
    }


def _leave_out(module: Any, state_dict: dict[str, Any], prefix: str, _metadata: object) -> None:
    frozen = module.frozen_state() if module._pretrained_digest is not None else {}
    for name in frozen:
        state_dict.pop(prefix + name, None)
    if frozen:
        state_dict[prefix + DIGEST] = module._pretrained_digest.clone()


def _take_back(module: Any, state_dict: dict[str, Any], prefix: str, *_: object) -> None:
    digest = state_dict.pop(prefix + DIGEST, None)
    if digest is None:
        if any(prefix + name in state_dict for name in module.frozen_state()):
            module._pretrained_digest = None  # the frozen weights are no longer those of the file
        return
    if module._pretrained_digest is None:
        raise UserError(
            "Expected a checkpoint with all weights of the backbone, got one that holds only what was trained. "
            "Name the pretrained weights that it was trained on in model.backbone.checkpoint."
        )
    if not torch.equal(digest.cpu(), module._pretrained_digest):
        raise UserError(
            "Expected a checkpoint that was trained on the pretrained weights that model.backbone.checkpoint names, "
            "got one that was trained on others. Name those there."
        )
    for name, tensor in {**dict(module.named_parameters()), **_persistent_buffers(module)}.items():
        state_dict.setdefault(prefix + name, tensor.detach())
