"""Checkpoints of a frozen or adapted backbone hold what was trained, and load back onto the same pretrained weights."""

import pytest
import torch
from micro_networks import FAMILIES, official_state, random_network
from mmengine.model import ExponentialMovingAverage
from mmengine.runner.checkpoint import get_state_dict, load_state_dict
from torch import nn

from mmseg_ext.errors import UserError
from mmseg_ext.models import DINO

DIGEST = "backbone.frozen_weights_digest"
IMAGES = torch.randn(1, 3, 64, 64)


class Segmentor(nn.Module):
    def __init__(self, **settings):
        super().__init__()
        self.backbone = DINO(FAMILIES["dinov3"][0], arch_overrides=FAMILIES["dinov3"][2], **settings)
        self.decode_head = nn.Conv2d(32, 2, 1)

    def forward(self, images):
        return self.decode_head(self.backbone(images)[-1])


@pytest.fixture
def pretrained(tmp_path):
    path = tmp_path / "pretrained.pth"
    torch.save(official_state("dinov3", random_network("dinov3")), path)
    return str(path)


def trained(model):
    """The model after a training in which everything that is trained changed."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


SETTINGS = {
    "frozen": ({"frozen": True}, set()),
    "first blocks frozen": ({"frozen": 2}, {"blocks.2.", "norm."}),
    "low rank": ({"lora": {"rank": 2}}, {"blocks.0.", "blocks.1.", "blocks.2."}),
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("load", [nn.Module.load_state_dict, load_state_dict], ids=["torch", "mmengine"])
@torch.no_grad()
def test_the_state_holds_what_was_trained_and_loads_back(name, load, pretrained, tmp_path):
    settings, expected = SETTINGS[name]
    model = trained(Segmentor(checkpoint=pretrained, **settings))
    state = model.state_dict()
    assert state.keys() == get_state_dict(model).keys()
    of_backbone = [key for key in state if key.startswith("backbone.network.")]
    assert of_backbone == [f"backbone.{n}" for n, p in model.backbone.named_parameters() if p.requires_grad]
    assert all(any(key.startswith(f"backbone.network.{part}") for part in expected) for key in of_backbone)
    assert bool(of_backbone) == bool(expected)
    assert state[DIGEST].dtype == torch.uint8

    torch.save(state, tmp_path / "trained.pth")
    again = Segmentor(checkpoint=pretrained, **settings).eval()
    assert (again(IMAGES) - model(IMAGES)).abs().max() > 1e-3
    load(again, torch.load(tmp_path / "trained.pth", weights_only=True), strict=True)
    assert torch.equal(again(IMAGES), model(IMAGES))
    assert again.state_dict().keys() == state.keys()


@pytest.mark.parametrize("name", ["first blocks frozen", "low rank"])
@torch.no_grad()
def test_a_moving_average_is_saved_although_it_is_not_trained(name, pretrained):
    settings, _ = SETTINGS[name]
    model = Segmentor(checkpoint=pretrained, **settings)
    average, again = (ExponentialMovingAverage(model, momentum=0.5).eval() for _ in range(2))
    average.update_parameters(trained(model))
    again.load_state_dict(average.state_dict(), strict=True)
    assert average.state_dict().keys() - {"steps"} == {f"module.{key}" for key in model.state_dict()}
    assert torch.equal(again(IMAGES), average(IMAGES))


@torch.no_grad()
def test_a_probe_is_fine_tuned_from_its_checkpoint(pretrained):
    probe = trained(Segmentor(checkpoint=pretrained))
    tuned = Segmentor(checkpoint=pretrained, frozen=False).eval()
    tuned.load_state_dict(probe.state_dict())
    assert torch.equal(tuned(IMAGES), probe(IMAGES))
    whole = trained(tuned).state_dict()
    assert DIGEST not in whole
    assert "backbone.network.rope.periods" in whole
    fresh = Segmentor(frozen=False).eval()
    fresh.load_state_dict(whole)
    assert torch.equal(fresh(IMAGES), tuned(IMAGES))


def test_other_or_no_pretrained_weights_are_refused(pretrained, tmp_path):
    state = Segmentor(checkpoint=pretrained).state_dict()
    with pytest.raises(UserError, match=r"holds only what was trained\. Name the pretrained weights .*checkpoint"):
        Segmentor().load_state_dict(state)
    others = torch.load(pretrained, weights_only=True)
    others["blocks.1.mlp.fc2.weight"][0] += 1
    torch.save(others, tmp_path / "others.pth")
    with pytest.raises(UserError, match="got one that was trained on others"):
        Segmentor(checkpoint=str(tmp_path / "others.pth")).load_state_dict(state)


@torch.no_grad()
def test_random_weights_are_kept_in_the_state():
    model = Segmentor().eval()
    state = model.state_dict()
    assert DIGEST not in state
    other = Segmentor().eval()
    assert not torch.equal(other(IMAGES), model(IMAGES))
    other.load_state_dict(state)
    assert torch.equal(other(IMAGES), model(IMAGES))


@torch.no_grad()
def test_frozen_weights_that_came_with_a_checkpoint_are_kept_from_then_on(pretrained):
    whole = Segmentor(frozen=False).eval()
    model = Segmentor(checkpoint=pretrained).eval()
    model.load_state_dict(whole.state_dict())
    state = model.state_dict()
    assert DIGEST not in state
    again = Segmentor(checkpoint=pretrained).eval()
    again.load_state_dict(state)
    assert torch.equal(again(IMAGES), whole(IMAGES))
