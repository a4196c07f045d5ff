"""Recognises the weights of PMT's decoder in the files of its authors, by their keys."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from mmseg_ext.errors import UserError
from mmseg_ext.models.backbones.dino_formats import HUGGING_FACE_VIT, UNGATED, Renamings, listed
from mmseg_ext.models.backbones.dino_vit_weights import convert_eva
from mmseg_ext.models.heads.eomt_formats import MASK_PROBABILITIES

OWN_PREFIX = "decode_head."
AUTHORS: Renamings = (
    (r"^bn\.(\d+)\.", r"laterals.\1.norm."),
    (r"^decoder\.lateral_projections\.(\d+)\.", r"laterals.\1.projection."),
    (r"^decoder\.scalers\.(\d+)$", r"laterals.\1.scale"),
    (r"^decoder\.decoder_norm\.", "norm."),
    (r"^decoder\.q\.", "queries."),
    (rf"^decoder\.(blocks|class_head|mask_head|upscale|{MASK_PROBABILITIES})\b", r"\1"),
    *HUGGING_FACE_VIT,
    *UNGATED,
)
BESIDE_DECODER = re.compile(r"(?:encoder|rope|criterion)\.")


def to_head(weights: Mapping[str, Tensor], source: str) -> tuple[dict[str, Tensor], str]:
    """Extract the weights of the head from a file.

    Args:
        weights: All weights of the file; those of a backbone are left out.
        source: Name of the file, for messages.

    Returns:
        The weights by the keys of :class:`PMTHead`, and a description of the format they came in.

    Raises:
        UserError: The file is not of a PMT.
    """
    if f"{OWN_PREFIX}laterals.0.scale" in weights:
        own = {key.removeprefix(OWN_PREFIX): value for key, value in weights.items() if key.startswith(OWN_PREFIX)}
        return own, "a checkpoint of this package"
    given = {key.removeprefix("network."): value for key, value in weights.items()}
    if "decoder.lateral_projections.0.0.weight" not in given:
        raise UserError(
            f"Expected the weights of a PMT in {source}, found no lateral projections (decoder.lateral_projections.…) "
            f"among {listed(weights, 6)}."
        )
    renamed = {}
    for key, value in given.items():
        if BESIDE_DECODER.match(key):
            continue
        for pattern, replacement in AUTHORS:
            key = re.sub(pattern, replacement, key)
        renamed[key] = value
    convert_eva(renamed, has_bias=True)
    # The authors evaluate without masked attention, whether or not a file says that it ended.
    num_blocks = sum(key.endswith(".gamma_1") for key in renamed)
    renamed[MASK_PROBABILITIES] = torch.zeros(num_blocks)
    return renamed, "PMT, the authors'"
