import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS

pytestmark = pytest.mark.usefixtures("mmseg_scope")


def build(**settings):
    return MODELS.build({"type": "mmseg_ext.LinearHead", "num_classes": 3, "norm_cfg": {"type": "BN"}, **settings})


@pytest.mark.parametrize("training", [True, False])
def test_it_is_batchnorm_and_a_matrix_on_concatenated_features(training):
    head = build(in_channels=[4, 6], dropout_ratio=0.0).train(training)
    torch.nn.init.normal_(head.norm.weight)
    torch.nn.init.normal_(head.norm.running_mean)
    first, second = torch.randn(2, 4, 5, 7), torch.randn(2, 6, 5, 7)
    features = torch.cat([first, second], dim=1)
    mean, variance = head.norm.running_mean.clone(), head.norm.running_var.clone()
    normed = F.batch_norm(features, mean, variance, head.norm.weight, head.norm.bias, training=training)
    expected = (
        torch.einsum("kc,nchw->nkhw", head.conv_seg.weight[..., 0, 0], normed) + head.conv_seg.bias[:, None, None]
    )
    torch.testing.assert_close(head((first, second)), expected)


def test_one_feature_of_several_is_chosen_by_its_index():
    head = build(in_channels=4, in_index=1).eval()
    features = (torch.full((1, 9, 2, 2), float("nan")), torch.randn(1, 4, 2, 2))
    assert head(features).isfinite().all()
    assert head.conv_seg.in_channels == 4
    assert [name for name, _ in head.named_parameters()] == [
        "conv_seg.weight",
        "conv_seg.bias",
        "norm.weight",
        "norm.bias",
    ]


def test_smaller_features_are_enlarged_to_the_first():
    head = build(in_channels=[2, 2], dropout_ratio=0.0).eval()
    large, small = torch.randn(1, 2, 8, 8), torch.randn(1, 2, 4, 4)
    enlarged = F.interpolate(small, size=(8, 8), mode="bilinear", align_corners=False)
    torch.testing.assert_close(head((large, small)), head((large, enlarged)))


def test_dropout_drops_whole_channels_in_training_alone():
    head = build(in_channels=64, dropout_ratio=0.5)
    torch.nn.init.ones_(head.conv_seg.weight)
    features = (torch.ones(1, 64, 2, 2) + torch.randn(1, 64, 1, 1) * 0,)
    torch.nn.init.ones_(head.norm.bias)
    assert torch.equal(head.eval()(features), head(features))
    logits = head.train()(features)
    assert (logits - logits[..., :1, :1]).abs().max() < 1e-4
    assert not torch.equal(head(features), head(features))


def test_dropout_comes_before_batchnorm_as_in_dinov3():
    head = build(in_channels=64, dropout_ratio=0.5, dropout_first=True).train()
    features = torch.randn(2, 64, 4, 4)
    torch.manual_seed(1)
    dropped = F.dropout2d(features, 0.5)
    torch.manual_seed(1)
    logits = head((features,))
    expected = F.conv2d(F.batch_norm(dropped, None, None, training=True), head.conv_seg.weight, head.conv_seg.bias)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)
    assert build(in_channels=4, dropout_ratio=0.0, dropout_first=True)((torch.randn(2, 4, 3, 3),)).shape == (2, 3, 3, 3)


@pytest.mark.parametrize(("norm", "matrix"), [("bn", "conv_seg"), ("batchnorm_layer", "conv"), ("norm", "conv_seg")])
@pytest.mark.parametrize("prefix", ["", "decode_head."])
def test_released_heads_load_by_their_own_names(norm, matrix, prefix):
    source, target = build(in_channels=4), build(in_channels=4)
    for tensor in source.state_dict().values():
        tensor.copy_(torch.rand(tensor.shape) * 9)
    state, released = {}, {"norm": norm, "conv_seg": matrix}
    for name, tensor in source.state_dict().items():
        part, _, rest = name.partition(".")
        state[f"{prefix}{released[part]}.{rest}"] = tensor
    if prefix:
        holder = torch.nn.Module()
        holder.decode_head = target
        holder.load_state_dict(state)
    else:
        target.load_state_dict(state)
    for name, tensor in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], tensor), name
