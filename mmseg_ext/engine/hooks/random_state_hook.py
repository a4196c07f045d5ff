"""A resumed run draws the random numbers that the uninterrupted run would have drawn."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import BaseLoop, IterBasedTrainLoop, Runner
from torch.utils.data import DataLoader, get_worker_info

from mmseg_ext.engine.random_state import RandomState, get_random_state, set_random_state
from mmseg_ext.registry import HOOKS

KEY = "random_states"
"""Of a checkpoint; and of a batch, on its way from the worker that loaded it."""

WorkerState = RandomState | int
"""A worker's generators behind the last batch that was trained on; the number of a worker that has loaded none yet."""


class CollateWithState:
    """A collate function that adds the random state of the process that loaded the batch.

    The state travels as bytes: a tensor would take a file descriptor a batch.

    Args:
        collate: The collate function of the data loader.
    """

    def __init__(self, collate: Callable[[list], Any]) -> None:
        self.collate = collate

    def __call__(self, samples: list) -> Any:
        """Collate the samples of a batch."""
        batch = self.collate(samples)
        worker = get_worker_info()
        if isinstance(batch, dict) and worker is not None:
            batch[KEY] = worker.id, {name: _pack(value) for name, value in get_random_state().items()}
        return batch


class RestoreWorker:
    """A worker init function that sets the generators of a data loading worker to those of a checkpoint.

    Args:
        initialize: The data loader's own function.
        states: In the order in which the workers load the next batches.
    """

    def __init__(self, initialize: Callable[[int], None] | None, states: Sequence[WorkerState]) -> None:
        self.initialize = initialize
        self.states = states

    def __call__(self, worker_id: int) -> None:
        """Set the generators of worker `worker_id`."""
        state = self.states[worker_id]
        if self.initialize is not None:
            self.initialize(state if isinstance(state, int) else worker_id)
        if not isinstance(state, int):
            set_random_state(state)


@HOOKS.register_module()
class RandomStateHook(Hook):
    """Keep the state of all random number generators in checkpoints, and go on with it when a run is resumed.

    Kept are the generators of Python, NumPy and torch (CPU and GPU) of every process, and those of its data loading
    workers as they were behind the last batch that was trained on. A validation draws from generators of its own, so
    that it does not matter on which side of one a run was stopped. On one machine, with the same number of processes,
    workers and threads, a resumed run then computes what the uninterrupted one computes, bit for bit, as far as its
    operators are deterministic.

    With another number of processes or workers the run goes on with freshly seeded generators, and a warning says so.
    """

    priority = "VERY_HIGH"

    def __init__(self) -> None:
        self._workers: list[WorkerState] = []
        self._next_worker = 0
        self._resumed: list[dict[str, Any]] | None = None
        self._gathered: list[dict[str, Any]] = []
        self._before_val: RandomState | None = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Take over the states of a run that is resumed."""
        if runner._resume:
            self._resumed = checkpoint.get(KEY)

    def before_train(self, runner: Runner) -> None:
        """Let batches bring the states of their workers along."""
        loader = runner.train_dataloader
        self._workers = list(range(loader.num_workers))
        loader.collate_fn = CollateWithState(loader.collate_fn)

    def before_train_epoch(self, runner: Runner) -> None:
        """Set the states of a checkpoint: behind all that other hooks do before the training."""
        if self._resumed is None:
            return
        loader, states, self._resumed = runner.train_dataloader, self._resumed, None
        if len(states) != get_world_size() or len(states[get_rank()]["workers"]) != loader.num_workers:
            runner.logger.warning(
                "Expected %d processes and %d data loading workers, as in the run that is resumed, got %d and %d: its "
                "random numbers cannot be continued. Freshly seeded ones are drawn.",
                len(states),
                len(states[0]["workers"]),
                get_world_size(),
                loader.num_workers,
            )
            return
        self._restore(runner, loader, states[get_rank()])

    def _restore(self, runner: Runner, loader: DataLoader, own: dict[str, Any]) -> None:
        # Workers that live through the whole run go on; others are started and seeded anew for each epoch.
        if isinstance(runner.train_loop, IterBasedTrainLoop) or loader.persistent_workers:
            self._workers = list(own["workers"])
            loader.worker_init_fn = RestoreWorker(loader.worker_init_fn, own["workers"])
            # An iterator of the loader draws one number when it is made, which the resumed run has drawn before.
            loader.generator = torch.Generator()
        set_random_state(own["process"])
        for device, state in enumerate(own["devices"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(state.cpu(), device)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Take the state of its worker off the batch."""
        packed = data_batch.pop(KEY, None) if isinstance(data_batch, dict) else None
        if packed is not None:
            worker, self._workers[packed[0]] = packed
            self._next_worker = (worker + 1) % len(self._workers)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Gather the states of all processes where a checkpoint is about to be saved."""
        hooks = [hook for hook in runner.hooks if isinstance(hook, CheckpointHook)]
        if any(
            hook.every_n_train_iters(runner, hook.interval, hook.save_begin)
            or (hook.save_last and hook.is_last_train_iter(runner))
            for hook in hooks
            if not hook.by_epoch
        ):
            self._gather()

    def after_train_epoch(self, runner: Runner) -> None:
        """Gather the states, for a checkpoint of this epoch; the next one begins with the first worker."""
        self._next_worker = 0
        self._gather()

    def before_val(self, runner: Runner) -> None:
        """Gather the states, for a checkpoint of the best score, and keep those of this process."""
        if isinstance(runner._train_loop, BaseLoop):
            self._gather()
        self._before_val = get_random_state()

    def after_val(self, runner: Runner) -> None:
        """Go on with the states from before the validation."""
        if self._before_val is not None:
            set_random_state(self._before_val)

    def _gather(self) -> None:
        own = {
            "process": get_random_state(),
            "devices": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "workers": [
                state if isinstance(state, int) else _unpack(state)
                for state in (*self._workers[self._next_worker :], *self._workers[: self._next_worker])
            ],
        }
        self._gathered = all_gather_object(own)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Put the states into a checkpoint that can be resumed."""
        if "optimizer" in checkpoint and self._gathered:
            checkpoint[KEY] = self._gathered


def _pack(value: Any) -> Any:
    return value.numpy().tobytes() if isinstance(value, torch.Tensor) else value


def _unpack(state: dict[str, Any]) -> RandomState:
    return {
        name: torch.frombuffer(bytearray(value), dtype=torch.uint8) if isinstance(value, bytes) else value
        for name, value in state.items()
    }
