import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmseg_ext.errors import UserError
from mmseg_ext.models.losses import PartialCrossEntropyLoss
from mmseg_ext.statistics.class_weights import (
    effective_number,
    inverse_square_root,
    median_frequency,
    parse_weights_file,
    pos_weight_of,
    read_class_weights,
)


def test_median_frequency_by_hand():
    # Class 0 in both images (10 + 8 labelled pixels), class 1 in the first alone, class 2 never.
    weights = median_frequency(np.array([14, 4, 0]), np.array([18, 10, 0]))
    first, second = 14 / 18, 4 / 10
    median = (first + second) / 2
    assert weights == pytest.approx([median / first, median / second, 0])


def test_inverse_square_root_by_hand():
    weights = inverse_square_root(np.array([100, 25, 0, 4]))
    raw = np.array([0.1, 0.2, 0, 0.5])
    assert weights == pytest.approx(raw * 3 / 0.8)


def test_effective_number_by_hand():
    weights = effective_number(np.array([3, 1, 0]), beta=0.9)
    raw = np.array([0.1 / (1 - 0.9**3), 1.0, 0.0])
    assert weights == pytest.approx(raw * 2 / raw.sum())


def test_no_pixel_at_all_gives_no_weight():
    nothing = np.zeros(3, int)
    for weights in (median_frequency(nothing, nothing), inverse_square_root(nothing), effective_number(nothing)):
        assert weights.tolist() == [0, 0, 0]


def test_a_loss_takes_the_weights_of_the_file(tmp_path):
    path = tmp_path / "statistics.json"
    source = f"{path}:median_frequency"
    early = PartialCrossEntropyLoss(class_weight=source)  # a checkpoint is tested where the file is not
    logits = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(40).view(2, 4, 5) % 3
    with pytest.raises(UserError, match=r"found no file\. Write it with"):
        early(logits, labels)
    weights = [0.5, 0.0, 2.0]
    path.write_text(json.dumps({"weights": {"median_frequency": weights}}))
    expected = F.cross_entropy(logits, labels, torch.tensor(weights))
    for loss in (early, PartialCrossEntropyLoss(class_weight=source)):
        assert loss(logits, labels).item() == pytest.approx(expected.item(), rel=1e-6)
    assert read_class_weights(source) == weights
    assert dict(early.state_dict()) == {}


def test_a_class_of_weight_zero_is_not_trained_on():
    logits = torch.randn(1, 3, 4, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = torch.arange(20).view(1, 4, 5) % 3
    PartialCrossEntropyLoss(class_weight=[1.0, 1.0, 0.0])(logits, labels).backward()
    assert (logits.grad[:, :, (labels == 2)[0]] == 0).all()
    assert (logits.grad[:, :, (labels != 2)[0]] != 0).all()
    only_unknown = PartialCrossEntropyLoss(class_weight=[1.0, 1.0, 0.0])(logits, torch.full_like(labels, 2))
    assert only_unknown.item() == 0


def test_what_names_no_weights_is_refused(tmp_path):
    with pytest.raises(UserError, match="'FILE:FORMULA' with one of median_frequency"):
        PartialCrossEntropyLoss(class_weight="statistics.json")
    with pytest.raises(UserError, match=r"got 'statistics\.json:inverse'"):
        parse_weights_file("statistics.json:inverse")
    values = ("[]", "1", '["a"]', "[NaN]", "[1e400]", "[null]")
    for content in ("{}", "[" * 100_000, *(f'{{"weights": {{"median_frequency": {value}}}}}' for value in values)):
        (tmp_path / "other.json").write_text(content)
        with pytest.raises(UserError, match="got something else"):
            read_class_weights(f"{tmp_path / 'other.json'}:median_frequency")
    for weights in ([0.0, 1.0], [1.0, 0.0], [1.0, 1.0, 1.0]):
        with pytest.raises(UserError, match="two classes, both above zero"):
            pos_weight_of(weights)
    for weight in (-1.0, float("nan")):
        with pytest.raises(UserError, match="non-negative `class_weight`"):
            PartialCrossEntropyLoss(class_weight=[1.0, weight])
