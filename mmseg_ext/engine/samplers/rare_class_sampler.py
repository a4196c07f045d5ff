"""A sampler that shows rare classes more often.

Shape suffixes: C classes, N images.
"""

import itertools
import logging
from collections.abc import Iterator, Sequence, Sized
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import InfiniteSampler
from mmengine.logging import print_log

from mmseg_ext.arguments import PositiveFloat, PositiveInt, StrPath
from mmseg_ext.errors import UserError
from mmseg_ext.image_names import image_name
from mmseg_ext.registry import DATA_SAMPLERS
from mmseg_ext.statistics.dataset_statistics import rare_class_probabilities, read_statistics


def images_of_classes(pixels_NC: np.ndarray, min_pixels: int) -> list[np.ndarray]:
    """List for each class the images that hold enough of it.

    Args:
        pixels_NC: Pixels of each class in each image.
        min_pixels: What is enough. A class that no image holds so much of gets all images that show it.

    Returns:
        For each class the indices of its images, ascending; none for a class that no image shows.
    """
    enough = [np.flatnonzero(pixels_N >= max(min_pixels, 1)) for pixels_N in pixels_NC.T]
    return [found if len(found) else np.flatnonzero(pixels_NC[:, c]) for c, found in enumerate(enough)]


@DATA_SAMPLERS.register_module()
class RareClassSampler(InfiniteSampler):
    """Draw a class, the rarer the likelier, then one of the images that hold at least `min_pixels` of it.

    The class is drawn by :func:`~mmseg_ext.statistics.dataset_statistics.rare_class_probabilities`, over the images of
    this dataset; the file may hold more images than that, those of all folds for example. Images are drawn with
    replacement, so that an epoch need not hold all of them; images without a label are never drawn.

    The sequence is fixed by the seed, which is the run's by default. Processes take turns in one sequence, and a
    resumed run goes on where it was, as with `InfiniteSampler`.

    Args:
        dataset: The dataset; given by the dataloader.
        statistics: File of tools/dataset_stats.py, made of the same images.
        temperature: High draws all classes alike, low the rarest almost alone.
        min_pixels: Pixels of the class that its image must hold, at the size of the files.
        seed: Fixes the sequence; None takes the run's.
        epoch_length: Images of an epoch, all processes together, for EpochBasedTrainLoop. None goes on without end, for
            IterBasedTrainLoop.

    Raises:
        UserError: The file is missing, lacks an image of the dataset, or an argument is out of range.

    Reference:
        Hoyer et al., DAFormer, CVPR 2022, section 3.3. There crops are drawn again until they hold enough of the class;
        here that is left to the pipeline.
    """

    def __init__(
        self,
        dataset: Sized,
        statistics: StrPath,
        temperature: PositiveFloat = 0.01,
        min_pixels: PositiveInt = 3000,
        seed: int | None = None,
        epoch_length: PositiveInt | None = None,
    ) -> None:
        record = read_statistics(statistics)
        pixels_NC = _rows_of(dataset, record["images"], statistics)
        self.epoch_length = epoch_length
        self.epoch = 0
        self.probabilities_C = rare_class_probabilities(pixels_NC.sum(0), temperature)
        self.images_of_class = [torch.from_numpy(found) for found in images_of_classes(pixels_NC, min_pixels)]
        for name, pixels_N in zip(record["classes"], pixels_NC.T, strict=True):
            if pixels_N.max() < min_pixels:
                what = "no image shows it: it is never drawn"
                if pixels_N.any():
                    what = (
                        f"no image holds {min_pixels} pixels of it: all {np.count_nonzero(pixels_N)} that show it count"
                    )
                print_log(f"RareClassSampler, class {name}: {what}", "current", logging.WARNING)
        super().__init__(dataset, shuffle=True, seed=seed)

    def _infinite_indices(self) -> Iterator[int]:
        """Yield indices without end, the same on every process."""
        generator = torch.Generator()
        generator.manual_seed(self.seed + self.epoch)
        probabilities_C = torch.from_numpy(self.probabilities_C)
        while True:
            drawn = int(torch.multinomial(probabilities_C, 1, generator=generator))
            images = self.images_of_class[drawn]
            yield int(images[torch.randint(len(images), (1,), generator=generator)])

    def __iter__(self) -> Iterator[int]:
        """Iterate the indices of this process."""
        if self.epoch_length is None:
            return super().__iter__()
        return itertools.islice(self._indices_of_rank(), len(self))

    def __len__(self) -> int:
        """Images of an epoch for this process; without `epoch_length` all images, as `InfiniteSampler` says."""
        return self.size if self.epoch_length is None else -(-self.epoch_length // self.world_size)

    def set_epoch(self, epoch: int) -> None:
        """Take the sequence of another epoch; without `epoch_length` there is one sequence."""
        self.epoch = 0 if self.epoch_length is None else epoch


def _rows_of(dataset: Any, table: dict[str, Sequence[int]], path: str | Path) -> np.ndarray:
    """Find the class pixels of each image of a dataset: (N, C)."""
    rows = []
    for index in range(len(dataset)):
        sample = dataset.get_data_info(index)
        name = image_name(sample, getattr(dataset, "data_root", None), "RareClassSampler")
        if name not in table:
            raise UserError(
                f"Expected the image {name} of the dataset in {path}, found none of that name among {len(table)}. Make "
                "the statistics of these images: python tools/dataset_stats.py CONFIG --out " + str(path)
            )
        rows.append(table[name])
    return np.array(rows, dtype=np.int64)
