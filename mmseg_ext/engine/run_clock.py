"""Where the time of a run goes, and how much of it is left."""

import time


def format_seconds(seconds: float) -> str:
    """Write a duration.

    Example:
        >>> format_seconds(75), format_seconds(4000)
        ('1:15', '1:06:40')
    """
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class RunClock:
    """Measures the seconds that a run waits for data, trains and validates.

    Attributes:
        seconds: By 'data', 'training' and 'validation'.
    """

    def __init__(self) -> None:
        self.seconds = {"data": 0.0, "training": 0.0, "validation": 0.0}
        self._num_iters = 0
        self._num_vals = 0
        self._mark = 0.0

    def start(self) -> None:
        """Start to measure."""
        self._mark = time.perf_counter()

    def count(self, name: str) -> None:
        """Count the time since the last call, or since the start, as 'data', 'training' or 'validation'."""
        now = time.perf_counter()
        self.seconds[name] += now - self._mark
        self._mark = now
        self._num_iters += name == "training"
        self._num_vals += name == "validation"

    def seconds_per_iteration(self) -> float:
        """Return the mean over the iterations so far, with the wait for their data."""
        return (self.seconds["data"] + self.seconds["training"]) / max(self._num_iters, 1)

    def seconds_left(self, num_iters: int, val_interval: int | None) -> float:
        """Estimate how long the rest of a run takes.

        Args:
            num_iters: Iterations that are left.
            val_interval: Iterations between two validations; None for a run without validation.
        """
        left = self.seconds_per_iteration() * num_iters
        if self._num_vals and val_interval:
            left += self.seconds["validation"] / self._num_vals * -(-num_iters // val_interval)
        return left
