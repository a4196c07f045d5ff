"""The held-out share: fixed by the names alone."""

import hashlib
from itertools import pairwise

import numpy as np
import pytest

from mmseg_ext.datasets.holdout import hold_out

NAMES = [f"{n}.png" for n in range(1000)]


def test_the_choice_of_known_names_never_changes():
    """A promise to everyone who reported a score on the held-out share: this set may never change."""
    assert hold_out(NAMES[:20], 0.25) == {"0.png", "6.png", "8.png", "14.png", "18.png"}


@pytest.mark.parametrize("fraction", [0.001, 0.1, 0.25, 0.3333, 0.9])
def test_takes_the_names_of_lowest_hash(fraction):
    held = hold_out(NAMES, fraction)
    assert len(held) == round(1000 * fraction)
    hash_of = {name: int(hashlib.sha256(name.encode()).hexdigest(), 16) for name in NAMES}
    assert held < set(NAMES)
    assert max(hash_of[n] for n in held) < min(hash_of[n] for n in set(NAMES) - held)


def test_the_order_of_the_names_does_not_matter():
    shuffled = np.random.default_rng(0).permutation(NAMES).tolist()
    assert shuffled != NAMES
    assert hold_out(shuffled, 0.2) == hold_out(NAMES, 0.2)


def test_larger_fractions_hold_all_of_smaller_ones():
    sets = [hold_out(NAMES, f) for f in np.linspace(0, 1, 21)]
    assert sets[0] == set()
    assert sets[-1] == set(NAMES)
    for smaller, larger in pairwise(sets):
        assert smaller < larger


def test_a_name_that_joins_moves_few_others():
    """The order among the old names stays, so that the share changes by the newcomer alone."""
    before, after = hold_out(NAMES, 0.1), hold_out([*NAMES, "new.png"], 0.1)
    assert len(before - after) <= 1
