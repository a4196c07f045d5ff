"""PMT against the outputs of its authors' code."""

import numpy as np
import pytest
import torch

from mmseg_ext.errors import UserError
from mmseg_ext.models import DINO, PMTHead

MICRO = {"embed_dim": 64, "depth": 4, "num_heads": 2, "mlp_ratio": 2}
LAYERS = {"out_indices": (0, 1, 2, 3), "prefix_tokens": True}
HEAD = {"in_channels": 64, "num_classes": 5, "num_queries": 10, "num_blocks": 2, "num_heads": 2}


@pytest.fixture
def golden(shared_data):
    folder = shared_data / "pmt_golden"
    if not folder.is_dir():
        pytest.skip("no outputs of PMT's code on this machine: ../shared/data/pmt_golden is missing")
    return folder


@pytest.mark.parametrize("name", ["native", "wide"])
@torch.no_grad()
def test_it_is_the_authors(golden, name):
    checkpoint = str(golden / "pmt_micro.pth")
    backbone = DINO("dinov3_vits16", checkpoint, arch_overrides=MICRO, **LAYERS)
    head = PMTHead(checkpoint=checkpoint, **HEAD).eval()
    arrays = np.load(golden / f"pmt_micro_{name}_io.npz")
    weights = torch.load(checkpoint, weights_only=True)
    images = torch.from_numpy(arrays["image"])
    images = (images - weights["encoder.pixel_mean"]) / weights["encoder.pixel_std"]
    outputs = backbone(images)
    for layer, lateral in enumerate(head.laterals):
        tokens = torch.cat([outputs[4 + layer].flatten(2), outputs[layer].flatten(2)], 2)
        torch.testing.assert_close(
            lateral.norm(tokens[..., None]).squeeze(-1).mT.numpy(), arrays[f"normed_features{layer}"], rtol=0, atol=1e-4
        )
    (classes,), (masks,) = head(outputs)
    torch.testing.assert_close(classes.numpy(), arrays["class_logits0"], rtol=0, atol=1e-4)
    torch.testing.assert_close(masks.numpy(), arrays["mask_logits0"], rtol=0, atol=1e-4)


def backbone_and_head(**arguments):
    torch.manual_seed(0)
    backbone = DINO("dinov3_vits16", arch_overrides=MICRO, **LAYERS)
    return backbone, PMTHead(**{**HEAD, "norm_cfg": {"type": "BN"}, **arguments})


def in_the_authors_names(head):
    """The weights of a head by the authors' names, query, key and value apart."""
    renamed = {}
    for key, value in head.state_dict().items():
        parts = key.split(".")
        if parts[0] == "laterals":
            name = {"norm": "network.bn", "projection": "network.decoder.lateral_projections"}.get(parts[2])
            key = f"network.decoder.scalers.{parts[1]}" if name is None else ".".join([name, parts[1], *parts[3:]])
        elif parts[0] == "blocks":
            stem = f"network.decoder.blocks.{parts[1]}."
            if parts[2].startswith("gamma"):
                key = f"{stem}layer_scale{parts[2][-1]}.lambda1"
            elif parts[-1] in ("q_bias", "v_bias"):
                key = f"{stem}attention.{parts[-1][0]}_proj.bias"
            elif parts[3] == "qkv":
                for name, part in zip("qkv", value.chunk(3), strict=True):
                    renamed[f"{stem}attention.{name}_proj.weight"] = part
                continue
            else:
                new = {"fc1": "mlp.up_proj", "fc2": "mlp.down_proj", "proj": "attention.o_proj"}.get(parts[3])
                key = stem + (".".join(parts[2:]) if new is None else f"{new}.{parts[4]}")
        elif parts[0] == "norm":
            key = f"network.decoder.decoder_norm.{parts[1]}"
        else:
            key = "network.decoder." + ("q.weight" if parts[0] == "queries" else key)
        renamed[key] = value
    return renamed


@torch.no_grad()
def test_files_without_a_backbone_load_by_the_authors_names(tmp_path):
    backbone, head = backbone_and_head()
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    weights = in_the_authors_names(head)
    assert len(weights) == len(head.state_dict()) + 2 * 2  # query, key and value of two blocks
    torch.save(weights, tmp_path / "authors.bin")
    torch.save({"state_dict": {f"decode_head.{k}": v for k, v in head.state_dict().items()}}, tmp_path / "ours.pth")
    features = backbone(torch.randn(1, 3, 32, 48))
    head.mask_probabilities = (0.0, 0.0)
    expected = head.eval()(features)
    for name in ("authors.bin", "ours.pth"):
        _, loaded = backbone_and_head(checkpoint=str(tmp_path / name))
        loaded.mask_probabilities = (0.0, 0.0)
        for (found,), (wanted,) in zip(loaded.eval()(features), expected, strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    _, other = backbone_and_head(checkpoint=str(tmp_path / "authors.bin"), num_classes=7, new_classes=True)
    assert torch.equal(other.queries.weight, head.queries.weight)


def test_a_wrong_file_is_refused_by_name(tmp_path):
    _, head = backbone_and_head()
    weights = in_the_authors_names(head)
    for change, text in (
        ({}, "found no lateral projections"),
        ({**weights, "network.decoder.q.weight": torch.zeros(11, 64)}, r"queries\.weight \(11, 64\), not \(10, 64\)"),
        ({k: v for k, v in weights.items() if "scalers.2" not in k}, r"missing: laterals\.2\.scale"),
        ({**weights, "network.decoder.extra": torch.zeros(1)}, r"left over: decoder\.extra"),
    ):
        torch.save(change or {"other": torch.zeros(1)}, tmp_path / "wrong.bin")
        with pytest.raises(UserError, match=rf"{tmp_path.name}/wrong\.bin.*{text}"):
            backbone_and_head(checkpoint=str(tmp_path / "wrong.bin"))


def test_the_backbone_has_to_return_what_the_head_takes():
    backbone, head = backbone_and_head(prefix_tokens=False)
    features = backbone(torch.zeros(1, 3, 32, 32))
    masks = head.eval()(features[:4])[1][-1]
    assert masks.shape == (1, 10, 8, 8)
    with pytest.raises(UserError, match="Set both `prefix_tokens`"):
        backbone_and_head()[1](features[:4])
    with pytest.raises(UserError, match="Expected maps of 32 channels"):
        PMTHead(**{**HEAD, "in_channels": 32})(features)
    with pytest.raises(UserError, match="multiple of 4"):
        PMTHead(**{**HEAD, "num_heads": 3})
    with pytest.raises(UserError, match=r"vision transformer for `prefix_tokens`, got dinov3_convnext_tiny"):
        DINO("dinov3_convnext_tiny", prefix_tokens=True)
    with pytest.raises(UserError, match="either `prefix_tokens` or `query_blocks`"):
        DINO("dinov3_vits16", arch_overrides=MICRO, prefix_tokens=True, query_blocks=2)


def test_only_the_head_is_trained():
    backbone, head = backbone_and_head()
    classes, masks = head.train()(backbone(torch.randn(2, 3, 32, 48)))
    assert len(classes) == len(masks) == 3
    sum(x.square().mean() for x in (*classes, *masks)).backward()
    assert not any(p.grad is not None for p in backbone.parameters())
    without = [name for name, p in head.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []
