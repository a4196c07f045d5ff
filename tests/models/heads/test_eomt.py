"""EoMT computes what the library `transformers` computes, and loads its files and the authors'."""

import pytest
import torch
from micro_eomt import KINDS, NUM_BLOCKS, NUM_CLASSES, SIDE, authors_state, ours, reference

from mmseg_ext.engine.layer_decay_optim_wrapper_constructor import LayerDecayOptimWrapperConstructor
from mmseg_ext.errors import UserError
from mmseg_ext.models import DINO, EoMT

IMAGES = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def assert_equal_predictions(backbone, head, model, tolerance=1e-4):
    with torch.no_grad():
        expected = model(pixel_values=IMAGES)
        class_logits, mask_logits = head(backbone(IMAGES))
    assert len(class_logits) == len(mask_logits) == 1
    torch.testing.assert_close(class_logits[0], expected.class_queries_logits, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(mask_logits[0], expected.masks_queries_logits, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("source", ["state dict", "folder", "authors", "lightning"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_predicts_what_transformers_predicts(kind, source, tmp_path):
    model = reference(kind)
    path = tmp_path / "weights.bin"
    if source == "state dict":
        torch.save(model.state_dict(), path)
    elif source == "folder":
        model.save_pretrained(tmp_path)
        path = tmp_path
    else:
        state = authors_state(kind, model.state_dict())
        torch.save({"state_dict": state, "epoch": 3} if source == "lightning" else state, path)
    backbone, head = ours(kind, path)
    assert head.mask_probabilities == (1.0,) * NUM_BLOCKS  # the file's
    assert_equal_predictions(backbone, head, model)
    model.attn_mask_probs.zero_()
    masked = head(backbone(IMAGES))[1][0]
    head.mask_probabilities = (0.0,) * NUM_BLOCKS
    assert (head(backbone(IMAGES))[1][0] - masked).abs().max() > 1e-2  # so that the mask was tested too
    assert_equal_predictions(backbone, head, model)


@pytest.mark.parametrize("kind", KINDS)
def test_in_training_the_predictions_before_each_block_are_those_of_transformers(kind, tmp_path):
    model = reference(kind)
    torch.save(model.state_dict(), tmp_path / "w.bin")
    backbone, head = ours(kind, tmp_path / "w.bin")
    found = []
    predict = model.predict
    model.predict = lambda tokens: found.append(predict(tokens)) or found[-1]
    with torch.no_grad():
        model(pixel_values=IMAGES)
        class_logits, mask_logits = head.train()(backbone(IMAGES))
    assert len(found) == len(class_logits) == NUM_BLOCKS + 1
    for (masks, classes), own_classes, own_masks in zip(found, class_logits, mask_logits, strict=True):
        torch.testing.assert_close(own_classes, classes, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(own_masks, masks, atol=1e-4, rtol=1e-4)


def test_gradients_are_those_of_transformers(tmp_path):
    model = reference("v2")
    torch.save(model.state_dict(), tmp_path / "w.bin")
    backbone, head = ours("v2", tmp_path / "w.bin")
    expected = model(pixel_values=IMAGES)
    (expected.masks_queries_logits.square().mean() + expected.class_queries_logits.square().mean()).backward()
    class_logits, mask_logits = head(backbone(IMAGES))
    (mask_logits[0].square().mean() + class_logits[0].square().mean()).backward()
    for own, theirs in (
        (head.queries.weight, model.query.weight),
        (head.upscale[0].conv1.weight, model.upscale_block.block[0].conv1.weight),
        (backbone.network.blocks[0].mlp.fc1.weight, model.layers[0].mlp.fc1.weight),
        (backbone.network.blocks[3].attn.proj.weight, model.layers[3].attention.out_proj.weight),
    ):
        torch.testing.assert_close(own.grad, theirs.grad, atol=1e-4 * float(theirs.grad.abs().max()), rtol=1e-3)


def test_wrong_files_are_refused_by_name(tmp_path):
    path = tmp_path / "w.bin"
    model = reference("v2")
    state = model.state_dict()
    torch.save({key: value for key, value in state.items() if "mask_head.fc2" not in key}, path)
    with pytest.raises(UserError, match=r"EoMT, Hugging Face\); missing: mask_head\.2\.weight, mask_head\.2\.bias"):
        ours("v2", path)
    torch.save(state, path)
    with pytest.raises(UserError, match=r"of another shape: queries\.weight \(9, 32\), not \(7, 32\)"):
        ours("v2", path, num_queries=7)
    with pytest.raises(UserError, match=r"left over: upscale\.1\."):
        ours("v2", path, num_upscales=1)
    with pytest.raises(UserError, match=r"of another shape: class_head\.weight \(6, 32\), not \(4, 32\)"):
        ours("v2", path, num_classes=3)
    with pytest.raises(UserError, match="the weights of dinov3_vits16 in"):
        DINO("dinov3_vits16", str(path), query_blocks=2, arch_overrides=KINDS["v3"][3])
    backbone = {key: value for key, value in state.items() if key.startswith(("embeddings", "layers", "layernorm"))}
    torch.save(backbone, path)
    with pytest.raises(UserError, match="found no queries"):
        ours("v2", path)


def test_files_of_differences_to_dinov3_are_refused(tmp_path):
    state = authors_state("v3", reference("v3").state_dict())
    state["network.encoder.pixel_mean"].zero_()
    torch.save(state, tmp_path / "w.bin")
    with pytest.raises(UserError, match="got differences to the weights of DINOv3"):
        ours("v3", tmp_path / "w.bin")


def test_other_classes_begin_anew_only_where_that_is_set(tmp_path):
    model = reference("v3")
    torch.save(model.state_dict(), tmp_path / "w.bin")
    _backbone, head = ours("v3", tmp_path / "w.bin", num_classes=3, new_classes=True)
    assert head.class_head.weight.shape == (4, 32)
    assert torch.equal(head.queries.weight, model.query.weight)


def test_the_patch_embedding_is_resampled_to_an_overridden_patch_size_alone(tmp_path):
    from timm.layers import resample_patch_embed

    micro = {"embed_dim": 32, "depth": 2, "num_heads": 2}
    released = DINO("dinov2_vits14_reg", arch_overrides={**micro, "img_size": 56})
    torch.save(released.network.state_dict(), tmp_path / "w.pth")
    kernel = released.network.patch_embed.proj.weight
    resampled = DINO("dinov2_vits14_reg", str(tmp_path / "w.pth"), arch_overrides={**micro, "patch_size": 16})
    expected = resample_patch_embed(kernel.detach(), [16, 16])
    assert torch.equal(resampled.network.patch_embed.proj.weight, expected)
    torch.save({**released.network.state_dict(), "patch_embed.proj.weight": expected}, tmp_path / "v.pth")
    with pytest.raises(UserError, match=r"of another shape: patch_embed\.proj\.weight"):
        DINO("dinov2_vits14_reg", str(tmp_path / "v.pth"), arch_overrides=micro)


@pytest.mark.parametrize("arch", ["dino_vits8", "dinov2_vits14", "dinov3_vits16", "vit_small_patch16_rope_mixed_224"])
def test_queries_have_no_position_in_any_arch(arch):
    """The order of the queries does not matter: permuted, they give the same predictions, permuted."""
    torch.manual_seed(0)
    backbone = DINO(arch, query_blocks=2, arch_overrides={"embed_dim": 32, "depth": 3, "num_heads": 2}).eval()
    head = EoMT(32, NUM_CLASSES, num_queries=6, num_upscales=1).eval()
    head.mask_probabilities = (0.0, 0.0)
    images = torch.randn(1, 3, 56, 48)
    with torch.no_grad():
        classes, masks = head(backbone(images))
        head.queries.weight.copy_(head.queries.weight.flip(0))
        flipped_classes, flipped_masks = head(backbone(images))
    torch.testing.assert_close(flipped_classes[0].flip(1), classes[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(flipped_masks[0].flip(1), masks[0], atol=1e-5, rtol=1e-5)


def micro_pair(**settings):
    torch.manual_seed(0)
    overrides = {"embed_dim": 32, "depth": 4, "num_heads": 2}
    backbone = DINO("dinov3_vits16", query_blocks=2, arch_overrides=overrides, **settings)
    return backbone, EoMT(32, NUM_CLASSES, num_queries=6)


@pytest.mark.parametrize(
    ("settings", "trained"),
    [
        ({"frozen": True}, lambda name: False),
        ({"frozen": 3}, lambda name: name.startswith(("blocks.3.", "norm."))),
        ({"lora": {"rank": 2}}, lambda name: "lora_" in name),
        ({"frozen": False, "with_cp": True}, lambda name: True),
    ],
    ids=["frozen", "in part", "LoRA", "not frozen"],
)
def test_queries_learn_through_frozen_blocks_and_adaptations(settings, trained):
    backbone, head = micro_pair(**settings)
    class_logits, mask_logits = head.train()(backbone.train()(IMAGES))
    sum(logits.square().mean() for logits in (*class_logits, *mask_logits)).backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in head.parameters())
    names = {name for name, parameter in backbone.network.named_parameters() if parameter.grad is not None}
    assert names == {name for name, _parameter in backbone.network.named_parameters() if trained(name)}


def test_recomputed_activations_give_the_same_gradients():
    gradients = []
    for with_cp in (False, True):
        backbone, head = micro_pair(frozen=False, with_cp=with_cp)
        _classes, mask_logits = head.train()(backbone.train()(IMAGES))
        mask_logits[-1].square().mean().backward()
        gradients.append(backbone.network.blocks[0].attn.qkv.weight.grad)
    torch.testing.assert_close(*gradients)


def test_between_the_probabilities_some_queries_are_masked_and_evaluation_is_not_random():
    backbone, head = micro_pair(frozen=False)
    head.mask_probabilities = (0.5, 0.0)
    features = backbone(IMAGES)[0]
    masks = torch.full((2, 6, 16, 16), -1.0)
    tokens = torch.zeros(2, 5 + 16 + 6, 32)
    torch.manual_seed(0)
    hidden = head.train()._attention_mask(masks, tokens, features, 0.5).isinf()
    assert not hidden[:, :, :-6].any()  # only queries are masked,
    assert not hidden[..., :5].any()  # and only at patches
    assert not hidden[..., -6:].any()
    whole = hidden[:, 0, -6:, 5:-6]
    assert torch.equal(whole.all(-1), whole.any(-1))
    assert 0 < whole.all(-1).sum() < 12
    assert head.eval()._attention_mask(masks, tokens, features, 0.5).isinf()[:, 0, -6:, 5:-6].all()
    with torch.no_grad():
        assert torch.equal(head(backbone(IMAGES))[1][0], head(backbone(IMAGES))[1][0])


def test_a_backbone_that_does_not_fit_is_named():
    _backbone, head = micro_pair()
    with pytest.raises(UserError, match="got feature maps"):
        head((torch.zeros(1, 32, 4, 4),))
    wide = DINO("dinov3_vits16", query_blocks=1, arch_overrides={"embed_dim": 64, "depth": 2, "num_heads": 2})
    with pytest.raises(UserError, match=r"Expected tokens of 32 channels.*got 64 channels"):
        head(wide(IMAGES))
    head.mask_probabilities = (1.0,) * 3
    with pytest.raises(UserError, match=r"masked attention in 2 blocks.*got probabilities for 3"):
        head(micro_pair()[0](IMAGES))
    convnext = {"dims": (8, 12, 16, 20), "depths": (1, 1, 2, 1)}
    with pytest.raises(UserError, match="Expected a vision transformer for `query_blocks`"):
        DINO("dinov3_convnext_tiny", query_blocks=1, arch_overrides=convnext)
    with pytest.raises(UserError, match="at most the 2 blocks"):
        DINO("dinov3_vits16", query_blocks=3, arch_overrides={"embed_dim": 32, "depth": 2, "num_heads": 2})
    with pytest.raises(UserError, match="a single one of `out_indices`"):
        DINO("dinov3_vits16", out_indices=(0, 1), query_blocks=1, arch_overrides={"depth": 2})


def test_the_state_holds_the_probabilities():
    _backbone, head = micro_pair()
    assert "attn_mask_probs" not in head.state_dict()
    head.mask_probabilities = (0.25, 1.0)
    other = micro_pair()[1]
    other.load_state_dict(head.state_dict())
    assert other.mask_probabilities == (0.25, 1.0)


def test_mixed_precision_masks_as_full_precision_does(tmp_path):
    torch.save(reference("v3").state_dict(), tmp_path / "w.bin")
    backbone, head = ours("v3", tmp_path / "w.bin")
    with torch.no_grad():
        expected = head(backbone(IMAGES))[1][0]
        head.mask_probabilities = (0.0, 0.0)
        unmasked = head(backbone(IMAGES))[1][0]
        head.mask_probabilities = ()
        with torch.autocast("cpu", torch.bfloat16):
            found = head(backbone(IMAGES))[1][0]
    assert found.isfinite().all()
    assert (found - expected).square().mean() < 0.5 * (unmasked - expected).square().mean()


def test_rates_fall_through_the_blocks_and_queries_learn_at_the_full_rate():
    backbone, head = micro_pair(frozen=False)
    model = torch.nn.ModuleDict({"backbone": backbone, "decode_head": head})
    config = {"optimizer": {"type": "AdamW", "lr": 1.0}}
    wrapper = LayerDecayOptimWrapperConstructor(config, {"decay_rate": 0.5})(model)
    rate_of = {id(parameter): group["lr"] for group in wrapper.param_groups for parameter in group["params"]}
    rates = {name: rate_of[id(parameter)] for name, parameter in model.named_parameters()}
    assert {rate for name, rate in rates.items() if name.startswith("decode_head.")} == {1.0}
    in_blocks = [rates[f"backbone.network.blocks.{index}.attn.proj.weight"] for index in range(4)]
    assert in_blocks == [1 / 16, 1 / 8, 1 / 4, 1 / 2]
    assert rates["backbone.network.norm.weight"] == 1.0
