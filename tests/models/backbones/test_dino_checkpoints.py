"""Every format is recognised and gives the same features; a file that does not fit is an error that names its keys."""

import argparse
import http.client
import json
import pickle
from pathlib import Path

import pytest
import torch
from micro_networks import FAMILIES, official_state, random_network, timm_features
from safetensors.torch import save_file

from mmseg_ext.errors import UserError
from mmseg_ext.models import DINO
from mmseg_ext.models.backbones import weight_files

IMAGES = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
every_family = pytest.mark.parametrize("family", FAMILIES)


def load(family, path, **settings):
    arch, _name, overrides = FAMILIES[family]
    is_convnext = "convnext" in family
    settings = {"out_indices": (1, 3) if is_convnext else (0, 2), "pos_interp": "timm", **settings}
    return DINO(arch, str(path), arch_overrides=overrides, **settings)


def save(tmp_path, weights, name="weights.pth"):
    torch.save(weights, tmp_path / name)
    return tmp_path / name


def assert_same_features(backbone, network, tolerance=1e-5):
    height, width = (size // backbone.stride * backbone.stride for size in IMAGES.shape[-2:])
    images = IMAGES[..., :height, :width]
    outputs = backbone(images)
    expected = timm_features(network, images, list(backbone.out_indices))
    assert len(outputs) == len(expected) == 2
    for output, features in zip(outputs, expected, strict=True):
        assert features.abs().max() > 0.1
        torch.testing.assert_close(output, features, rtol=0, atol=tolerance)


@every_family
@pytest.mark.parametrize(
    "kind", ["official", "teacher", "timm", "safetensors", "chunked", "training", "mean", "old mean"]
)
def test_formats_give_the_features_of_the_network_they_came_from(family, kind, tmp_path):
    network = random_network(family)
    official = official_state(family, network)
    if kind == "official":
        path = save(tmp_path, official)
    elif kind == "teacher":  # DINO's training files: the teacher's and the student's network, each with a head
        weights = {f"module.backbone.{key}": value for key, value in official.items()}
        weights["module.head.mlp.0.weight"] = torch.zeros(2, 2)
        noise = {key: torch.randn_like(value) for key, value in weights.items()}
        path = save(tmp_path, {"student": noise, "teacher": weights, "args": argparse.Namespace(lr=1), "epoch": 3})
    elif kind == "timm":
        path = save(tmp_path, network.state_dict())
    elif kind == "safetensors":
        path = tmp_path / "model.safetensors"
        save_file({key: value.clone() for key, value in official.items()}, path)
    elif kind == "chunked":
        if "convnext" in family:
            pytest.skip("ConvNeXt has no chunks")
        path = save(tmp_path, {key.replace("blocks.", "blocks.0."): value for key, value in official.items()})
    else:  # an mmengine checkpoint of a segmentor with this backbone, with or without a mean teacher
        whole = load(family, save(tmp_path, official, "official.pth"), frozen=False, out_indices=-1)
        state = {f"backbone.{key}": value for key, value in whole.state_dict().items()}
        state["decode_head.conv_seg.weight"] = torch.zeros(2, 2, 1, 1)
        student = {key: torch.randn_like(value) for key, value in state.items()}
        counts = {"iteration": torch.tensor(7), "teacher.average.n_averaged": torch.tensor(7)}
        if kind == "mean":
            state = {**state, **{f"student.{key}": value for key, value in student.items()}, **counts}
        elif kind == "old mean":
            state = {**student, **{f"teacher.average.module.{key}": value for key, value in state.items()}, **counts}
        path = save(tmp_path, {"state_dict": state, "meta": {"iter": 7}})
    assert_same_features(load(family, path), network)


def test_the_format_is_said_in_the_log(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr("mmseg_ext.models.backbones.dino.print_log", lambda text, *_: said.append(text))
    load("dinov2_reg", save(tmp_path, official_state("dinov2_reg", random_network("dinov2_reg"))))
    assert any("(format: DINOv2 with registers, official)" in text for text in said)


@every_family
def test_a_missing_a_left_over_and_a_misshapen_key_are_named(family, tmp_path):
    official = official_state(family, random_network(family))
    key = next(key for key in official if key.endswith(("mlp.fc2.weight", "mlp.w3.weight", "pwconv2.weight")))
    timm_key = "stages.0.blocks.0.mlp.fc2.weight" if "convnext" in family else "blocks.0.mlp.fc2.weight"
    with pytest.raises(UserError, match=rf"missing: {timm_key}\.$"):
        load(family, save(tmp_path, {k: v for k, v in official.items() if k != key}))
    with pytest.raises(UserError, match=r"left over: surprise\.weight\.$"):
        load(family, save(tmp_path, {**official, "surprise.weight": torch.zeros(1)}))
    with pytest.raises(UserError, match=rf"of another shape: {timm_key} \(1, 2\), not "):
        load(family, save(tmp_path, {**official, key: torch.zeros(1, 2)}))


def test_weights_of_another_family_or_depth_are_refused(tmp_path):
    registers = save(tmp_path, official_state("dinov2_reg", random_network("dinov2_reg")))
    with pytest.raises(UserError, match=r"DINOv2 with registers, official.*left over: reg_token"):
        load("dinov2", registers)
    plain = save(tmp_path, official_state("dinov2", random_network("dinov2")))
    with pytest.raises(UserError, match=r"missing: .*reg_token"):
        load("dinov2_reg", plain)
    deeper = official_state("dino", random_network("dino"))
    deeper |= {key.replace("blocks.2", "blocks.3"): value for key, value in deeper.items() if "blocks.2" in key}
    with pytest.raises(UserError, match=r"left over: blocks\.3\.norm1\.weight"):
        load("dino", save(tmp_path, deeper))


def test_a_network_without_the_bias_is_refused_unless_the_bias_is_zero(tmp_path):
    official = official_state("dinov3", random_network("dinov3"))
    overrides = FAMILIES["dinov3"][2]
    with pytest.raises(UserError, match=r"q_bias.*drop the bias: take `dinov3_vit…16`"):
        DINO("vit_small_patch16_dinov3", str(save(tmp_path, official)), arch_overrides=overrides)
    zero = {key: torch.zeros_like(value) if key.endswith("qkv.bias") else value for key, value in official.items()}
    DINO("vit_small_patch16_dinov3", str(save(tmp_path, zero)), arch_overrides=overrides)


def test_the_rotations_of_the_official_file_are_used(tmp_path):
    official = official_state("dinov3", random_network("dinov3"))
    official["rope_embed.periods"] = official["rope_embed.periods"].bfloat16()
    backbone = load("dinov3", save(tmp_path, official))
    assert torch.equal(backbone.network.rope.periods, official["rope_embed.periods"].float())
    assert "network.rope.periods" in load("dinov3", tmp_path / "weights.pth", frozen=False).state_dict()


def test_the_grid_of_the_position_embedding_is_the_files(tmp_path):
    path = save(tmp_path, official_state("dino", random_network("dino")))
    arch, _name, overrides = FAMILIES["dino"]
    backbone = DINO(arch, str(path), arch_overrides={**overrides, "img_size": 224})
    assert backbone.network.patch_embed.grid_size == (4, 4)


def test_later_blocks_are_not_needed(tmp_path):
    network = random_network("dinov3")
    whole = official_state("dinov3", network)
    backbone = load("dinov3", save(tmp_path, {k: v for k, v in whole.items() if "blocks.2." not in k}), out_indices=1)
    assert len(backbone.blocks) == 2
    assert not any("blocks.2." in key for key in backbone.network.state_dict())


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"decode_head.conv_seg.weight": torch.zeros(1)}, "found no first layer"),
        ({"a.patch_embed.proj.weight": torch.zeros(1), "b.patch_embed.proj.weight": torch.zeros(1)}, "found 2, under"),
        ({"a.patch_embed.proj.weight": torch.zeros(1), "b.thing": torch.zeros(1)}, r"found besides it: b\.thing"),
        ({"epoch": 3}, "Expected a state dict"),
        (torch.zeros(2), "Expected a state dict"),
    ],
)
def test_a_file_without_one_backbone_is_refused(weights, message, tmp_path):
    with pytest.raises(UserError, match=message):
        load("dino", save(tmp_path, weights))


def test_code_in_a_file_is_never_run(tmp_path):
    class Mine:
        def __reduce__(self):
            return Path(tmp_path / "was_here").touch, ()

    path = save(tmp_path, {"state_dict": Mine()})
    with pytest.raises(UserError, match=r"Refused to load .*weights\.pth: besides weights it holds"):
        load("dino", path)
    assert not (tmp_path / "was_here").exists()
    (tmp_path / "old.pth").write_bytes(pickle.dumps(Mine()))
    with pytest.raises(UserError):
        load("dino", tmp_path / "old.pth")
    assert not (tmp_path / "was_here").exists()


@pytest.mark.parametrize("name", ["cut.pth", "cut.safetensors", "text.pth", "empty.pth"])
def test_a_damaged_file_is_named(name, tmp_path):
    path = tmp_path / name
    if name.startswith("cut"):
        network = random_network("dino")
        whole = tmp_path / f"whole{path.suffix}"
        save_file(network.state_dict(), whole) if path.suffix == ".safetensors" else torch.save(network, whole)
        path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    else:
        path.write_bytes(b"<html>not found</html>" if name == "text.pth" else b"")
    with pytest.raises(UserError, match=rf"{name}.*Fetch it again"):
        load("dino", path)


def test_a_folder_of_the_hub_is_read_in_one_file_or_in_shards(tmp_path):
    network = random_network("dinov2")
    state = {key: value.clone() for key, value in official_state("dinov2", network).items()}
    folder = tmp_path / "one"
    folder.mkdir()
    with pytest.raises(UserError, match=r"Expected one of model\.safetensors, .* in .*one, found none"):
        load("dinov2", folder)
    save_file(state, folder / "model.safetensors")
    assert_same_features(load("dinov2", folder), network)

    shards = tmp_path / "shards"
    shards.mkdir()
    names = {key: f"model-{index % 2 + 1}-of-2.safetensors" for index, key in enumerate(state)}
    for name in set(names.values()):
        save_file({key: state[key] for key in state if names[key] == name}, shards / name)
    (shards / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    assert_same_features(load("dinov2", shards), network)
    (shards / "model-2-of-2.safetensors").unlink()
    with pytest.raises(UserError, match=r"Expected .*model-2-of-2\.safetensors, which"):
        load("dinov2", shards)


def test_a_path_without_a_file_and_a_failed_download_are_one_line(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"found no file\. Give `checkpoint` the path"):
        load("dino", tmp_path / "nowhere.pth")

    def fail(*_args, **_kwargs):
        raise http.client.RemoteDisconnected("no answer")

    monkeypatch.setattr(weight_files.torch.hub, "load_state_dict_from_url", fail)
    with pytest.raises(UserError, match=r"^Could not download the weights https://host/w\.pth .*`checkpoint=`") as info:
        load("dino", "https://host/w.pth")
    assert "\n" not in str(info.value)

    monkeypatch.setattr("timm.models._builder.load_pretrained", fail)
    monkeypatch.setattr("mmseg_ext.stack.downloads._hub_unreachable", lambda: None)
    with pytest.raises(UserError, match=r"^Could not download the weights timm/vit_small_patch16_224\.dino"):
        load("dino", "timm")


def test_a_download_is_read_like_a_file(tmp_path, monkeypatch):
    network = random_network("dinov2")
    path = save(tmp_path, official_state("dinov2", network))
    monkeypatch.setattr(
        weight_files.torch.hub,
        "load_state_dict_from_url",
        lambda _url, map_location, weights_only: torch.load(path, map_location=map_location, weights_only=weights_only),
    )
    assert_same_features(load("dinov2", "https://host/dinov2.pth"), network)
