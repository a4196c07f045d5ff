from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop

from mmseg_ext.engine.run_progress import step_of


class Run:
    iter, epoch = 70, 3

    def __init__(self, loop):
        self._train_loop = loop


class Evaluation(Run):
    @property
    def iter(self):
        raise AssertionError("asking for it builds the training data")


def test_a_run_counts_in_its_own_unit():
    assert step_of(Run(object.__new__(IterBasedTrainLoop))) == 70
    assert step_of(Run(object.__new__(EpochBasedTrainLoop))) == 3


def test_a_run_that_only_evaluates_builds_nothing():
    assert step_of(Evaluation({"type": "IterBasedTrainLoop"})) == 0
    assert step_of(Evaluation(None)) == 0
