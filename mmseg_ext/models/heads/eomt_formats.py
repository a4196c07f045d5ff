"""Recognises the queries and heads of EoMT in the files of its authors and of transformers, by their keys."""

import re
from collections.abc import Mapping

from torch import Tensor

from mmseg_ext.errors import UserError
from mmseg_ext.models.backbones.dino_formats import Renamings, listed

MASK_PROBABILITIES = "attn_mask_probs"
"""Key of the probability of masked attention in each block, in all formats."""

# By the key that every file of a format has.
FORMATS: dict[str, tuple[str, Renamings]] = {
    "network.q.weight": (
        "EoMT, the authors'",
        ((r"^network\.(q|class_head|mask_head|upscale|attn_mask_probs)\b", r"\1"), (r"^q\.", "queries.")),
    ),
    "query.weight": (
        "EoMT, Hugging Face",
        (
            (r"^query\.", "queries."),
            (r"^class_predictor\.", "class_head."),
            (r"^mask_head\.fc1\.", "mask_head.0."),
            (r"^mask_head\.fc2\.", "mask_head.2."),
            (r"^mask_head\.fc3\.", "mask_head.4."),
            (r"^upscale_block\.block\.(\d+)\.", r"upscale.\1."),
            (r"^(upscale\.\d+)\.layernorm2d\.", r"\1.norm."),
        ),
    ),
    "decode_head.queries.weight": ("a checkpoint of this package", ((r"^decode_head\.", ""),)),
}
OWN = re.compile(rf"(?:queries|class_head|mask_head|upscale)\.|{MASK_PROBABILITIES}$")


def to_head(weights: Mapping[str, Tensor], source: str) -> tuple[dict[str, Tensor], str]:
    """Extract the weights of the head from the weights of a whole EoMT.

    Args:
        weights: All weights of a file.
        source: Name of the file, for messages.

    Returns:
        The weights by the keys of :class:`EoMT`, and a description of the format they came in.

    Raises:
        UserError: The file is not of an EoMT.
    """
    found = [value for key, value in FORMATS.items() if key in weights]
    if not found:
        raise UserError(
            f"Expected the weights of an EoMT in {source}, found no queries ({' or '.join(FORMATS)}) among "
            f"{listed(weights, 6)}."
        )
    name, renamings = found[0]
    renamed = {}
    for key, value in weights.items():
        for pattern, replacement in renamings:
            key = re.sub(pattern, replacement, key)
        if OWN.match(key):
            renamed[key] = value
    return renamed, name
