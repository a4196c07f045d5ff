"""The current step of a run."""

from mmengine.runner import BaseLoop, EpochBasedTrainLoop, Runner


def step_of(runner: Runner) -> int:
    """Return the iterations done, or the epochs of a run that counts those; 0 for a run that only evaluates.

    ``runner.iter`` would build such a run's training data.
    """
    loop = runner._train_loop
    if not isinstance(loop, BaseLoop):
        return 0
    return runner.epoch if isinstance(loop, EpochBasedTrainLoop) else runner.iter
