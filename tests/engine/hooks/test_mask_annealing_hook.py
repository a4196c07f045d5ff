from types import SimpleNamespace

import pytest
import torch

from mmseg_ext.engine.hooks import MaskAnnealingHook
from mmseg_ext.engine.hooks.mask_annealing_hook import mask_probability
from mmseg_ext.errors import UserError
from mmseg_ext.models import DINO, EoMT


def micro_model(query_blocks=2):
    backbone = DINO(
        "dinov3_vits16", query_blocks=query_blocks, arch_overrides={"embed_dim": 32, "depth": 3, "num_heads": 2}
    )
    return torch.nn.ModuleDict({"backbone": backbone, "decode_head": EoMT(32, 5)})


def test_probabilities_fall_as_the_authors_do():
    """Before the start 1, from the end 0, between them the remaining share of the steps to the power 0.9."""
    for iteration in range(0, 400):
        start, end = 100, 300
        if iteration < start:
            expected = 1.0
        elif iteration >= end:
            expected = 0.0
        else:
            progress = torch.tensor((iteration - start) / (end - start), dtype=torch.float64)
            expected = float((1.0 - progress).pow(0.9))
        assert mask_probability(iteration, start, end, 0.9) == pytest.approx(expected, abs=1e-12)


def test_the_head_has_the_probabilities_of_the_next_iteration_also_after_a_resume():
    model = micro_model()
    hook = MaskAnnealingHook(start=[2, 4], end=[4, 8], power=1.0)
    hook.before_train(SimpleNamespace(model=model, iter=0))
    seen = [model["decode_head"].mask_probabilities]
    for iteration in range(8):
        hook.after_train_iter(SimpleNamespace(model=model, iter=iteration), 0)
        seen.append(model["decode_head"].mask_probabilities)
    assert [first for first, _second in seen] == [1, 1, 1, 0.5, 0, 0, 0, 0, 0]
    assert [second for _first, second in seen] == [1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0]
    hook.before_train(SimpleNamespace(model=model, iter=6))
    assert model["decode_head"].mask_probabilities == (0.0, 0.5)


@pytest.mark.parametrize(
    ("start", "end"), [([0], [0]), ([5, 9], [6, 8]), ([0, 1], [2]), ([], [])], ids=["empty", "late", "count", "none"]
)
def test_steps_that_do_not_fit_are_refused(start, end):
    with pytest.raises(UserError, match=r"expected one `start` and one later `end` for each block"):
        MaskAnnealingHook(start=start, end=end)


def test_a_model_without_such_blocks_is_refused():
    hook = MaskAnnealingHook(start=[0, 1], end=[1, 2])
    with pytest.raises(UserError, match=r"with 2 blocks that queries are in.*got \[1\] blocks"):
        hook.before_train(SimpleNamespace(model=micro_model(query_blocks=1), iter=0))
    with pytest.raises(UserError, match="got none"):
        hook.before_train(SimpleNamespace(model=torch.nn.Linear(2, 2), iter=0))
