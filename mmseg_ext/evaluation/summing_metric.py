"""What metrics that add up counts of their images share."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

from mmengine.dist import get_dist_info, get_world_size
from mmengine.evaluator import BaseMetric

from mmseg_ext.errors import UserError


def last_image_is_padding(num_images: int, size: int) -> bool:
    """Return whether the last image of this process is a padded sample of the distributed sampler.

    mmengine's `DefaultSampler` gives image i to process i modulo the number of processes. It pads the last round with
    the first images, so that all processes have as many.

    Args:
        num_images: Images that this process was given.
        size: Images of the dataset.
    """
    rank, num_processes = get_dist_info()
    return num_processes > 1 and (num_images - 1) * num_processes + rank >= size


class SummingMetric(BaseMetric):
    """A metric that adds up the counts of its images, such as confusion matrices, and scores the sum.

    Every image counts once, in one process or in several. Counts are arrays or objects that ``+=`` adds in place.
    Memory grows with the number of images only by what :meth:`keep` keeps of each: nothing, unless a subclass says so.

    Attributes:
        images: What was kept of the images of the latest evaluation, in the order of the dataset; of rank 0 alone.

    Args:
        ignore_index: Marks pixels without a label.
        **kwargs: Passed to mmengine's BaseMetric (prefix, collect_device).

    Raises:
        UserError: An image cannot be counted; names the file.
    """

    def __init__(self, ignore_index: int = 255, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ignore_index = ignore_index
        self._counts: list[Any] = []  # the sum of all images but the latest, and the latest
        self._num_images = 0
        self._kept: dict[int, Any] = {}  # by the number of the image in this process
        self.images: list[Any] = []

    @abstractmethod
    def zero(self) -> Any:
        """Return the counts of no image, a new object."""

    @abstractmethod
    def count(self, sample: dict) -> Any:
        """Return the counts of one image.

        Raises:
            ValueError: It cannot be counted; `process` adds the name of its file, but to a `UserError`.
        """

    def keep(self, sample: dict, counts: Any) -> Any:
        """Return what is to be kept of one image beside the sum; None for nothing.

        Args:
            sample: The image.
            counts: What :meth:`count` returned for it.
        """
        return None

    @abstractmethod
    def score(self, counts: Any) -> dict[str, float]:
        """Return the scalars of the sum over all images."""

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count one batch.

        Args:
            data_batch: Not used.
            data_samples: As dicts.
        """
        for sample in data_samples:
            try:
                counts = self.count(sample)
            except UserError:
                raise
            except ValueError as error:
                raise UserError(f"{sample.get('seg_map_path') or sample.get('img_path')}: {error}") from None
            kept = self.keep(sample, counts)
            if kept is not None:
                self._kept[self._num_images] = kept
            self._counts = [self._sum(self._counts), counts]
            self._num_images += 1

    def evaluate(self, size: int) -> dict[str, float]:
        """Score all images of all processes.

        Args:
            size: Images of the dataset.
        """
        if last_image_is_padding(self._num_images, size):
            self._counts.pop()
            self._kept.pop(self._num_images - 1, None)
        self.results = [(self._sum(self._counts), self._kept)]
        self._counts, self._num_images, self._kept = [], 0, {}
        return super().evaluate(get_world_size())

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Score the sum over the processes."""
        counts, kept = zip(*results, strict=True)
        # Image i of the dataset is of process i modulo their number.
        by_place = {(number, rank): item for rank, items in enumerate(kept) for number, item in items.items()}
        self.images = [by_place[place] for place in sorted(by_place)]
        return self.score(self._sum(counts))

    def _sum(self, parts: Iterable[Any]) -> Any:
        total = self.zero()
        for part in parts:
            total += part
        return total
