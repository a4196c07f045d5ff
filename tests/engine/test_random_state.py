"""Random numbers drawn inside leave no trace outside."""

import random

import numpy as np
import pytest
import torch

from mmseg_ext.engine.random_state import kept_random_state


def draw():
    return random.random(), random.gauss(0, 1), np.random.rand(3).tolist(), np.random.normal(), torch.rand(3).tolist()


def seed():
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)


def test_the_sequence_goes_on_as_if_nothing_had_been_drawn():
    seed()
    undisturbed = [draw(), draw()]
    seed()
    first = draw()
    with kept_random_state():
        inside = draw()
        np.random.seed(99)
        torch.manual_seed(99)
        random.seed(99)
        draw()
    assert [first, draw()] == undisturbed
    assert inside == undisturbed[1]  # the block starts where the outside stands


def test_an_error_inside_restores_too():
    seed()
    undisturbed = draw()
    seed()
    with pytest.raises(ZeroDivisionError), kept_random_state():
        _ = draw()[0] / 0
    assert draw() == undisturbed


def test_the_first_of_two_normal_numbers_may_be_pending():
    """NumPy and Python draw normal numbers in pairs; the second one waits in the state."""
    seed()
    random.gauss(0, 1), np.random.normal()
    expected = random.gauss(0, 1), np.random.normal()
    seed()
    random.gauss(0, 1), np.random.normal()
    with kept_random_state():
        random.gauss(0, 1), np.random.normal()
    assert (random.gauss(0, 1), np.random.normal()) == expected
