"""What tools/predict.py does: a model applied to many files, with results that outlive a killed process."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmseg_ext.errors import UserError
from mmseg_ext.files import replace_file
from mmseg_ext.prediction.area_table import ClassCounts, format_areas
from mmseg_ext.prediction.background import read_ahead
from mmseg_ext.prediction.image_results import write_image_results
from mmseg_ext.prediction.input_files import InputFile
from mmseg_ext.prediction.output_folder import OutputFolder
from mmseg_ext.prediction.predictor import Prediction, Predictor
from mmseg_ext.prediction.raster_prediction import WindowOptions, plan_windows, predict_strips
from mmseg_ext.prediction.raster_results import RasterResults
from mmseg_ext.prediction.raster_source import RasterSettings, RasterSource, identity_of, is_raster
from mmseg_ext.prediction.results import ResultOptions
from mmseg_ext.prediction.strip_files import StripFiles
from mmseg_ext.prediction.value_scaling import ValueRange, range_of_values
from mmseg_ext.prediction.window_grid import WindowAxis

WRITERS = 2
"""Threads that write the results of images."""

AREAS = "areas.csv"


@dataclass
class Summary:
    """What became of the inputs.

    Attributes:
        num_predicted: Inputs that were predicted.
        num_kept: Inputs whose results were there.
        failures: (path, reason) of those that could not be read.
    """

    num_predicted: int = 0
    num_kept: int = 0
    failures: list[tuple[Path, str]] = field(default_factory=list)


@dataclass(frozen=True)
class _Task:
    """An input that is to be predicted; a raster with its windows along the height and the width."""

    file: InputFile
    windows: tuple[WindowAxis, WindowAxis] | None = None

    @property
    def steps(self) -> int:
        """Its share of the progress: windows, or 1 for an image."""
        return 1 if self.windows is None else self.windows[0].count * self.windows[1].count


class PredictionRun:
    """Applies a model to files.

    Args:
        predictor: The model.
        folder: Where the results go.
        results: Which results.
        windows: How rasters are predicted.
        rasters: How the values of rasters are read.
        image_batch: Images that the network sees at once, where they are of one size.
        progress: Called with (done, total).
    """

    def __init__(
        self,
        predictor: Predictor,
        folder: OutputFolder,
        results: ResultOptions,
        windows: WindowOptions,
        rasters: RasterSettings,
        image_batch: int = 1,
        progress: Callable[[int, int], object] = lambda done, total: None,
    ) -> None:
        self.predictor, self.folder, self.results = predictor, folder, results
        self.windows, self.rasters, self.image_batch = windows, rasters, image_batch
        self._progress = progress
        self._done = self._total = 0

    def run(self, files: Sequence[InputFile], all_files: Sequence[InputFile] = ()) -> Summary:
        """Predict files.

        Args:
            files: Those of this process.
            all_files: Those of all processes, for the table of areas; none for `files`.
        """
        summary = Summary()
        tasks = []
        for file in files:
            try:
                task = self._plan(file)
            except Exception as error:  # readers raise whatever they like about a damaged file
                summary.failures.append((file.path, reason_of(error)))
                continue
            if task is None:
                summary.num_kept += 1
            else:
                tasks.append(task)
        self._total = sum(task.steps for task in tasks)
        self._predict_images([task.file for task in tasks if task.windows is None], summary)
        for task in tasks:
            if task.windows is not None:
                self._predict_raster(task.file, *task.windows, summary)
        self._write_areas(all_files or files)
        self.folder.close()
        return summary

    def _plan(self, file: InputFile) -> _Task | None:
        """Look at a file; None where its results are there."""
        raster = is_raster(file.path)
        if self.folder.is_done(file.name, identity_of(file.path), self.results.wanted(raster)):
            return None
        if not raster:
            return _Task(file)
        with RasterSource(file.path, self.rasters) as source:
            return _Task(file, plan_windows(source, self.windows))

    def _advance(self, steps: int) -> None:
        self._done += steps
        self._progress(self._done, self._total)

    def _record(self, file: InputFile, raster: bool, counts: list[int], square_metres: float | None) -> None:
        record = {
            "identity": identity_of(file.path),
            "results": self.results.wanted(raster),
            "counts": counts,
            "square_metres": square_metres,
        }
        self.folder.write_record(file.name, record)

    def _predict_images(self, files: Sequence[InputFile], summary: Summary) -> None:
        with_probabilities = self.results.probabilities or self.results.polygons is not None
        waiting: list[Future] = []
        with ThreadPoolExecutor(WRITERS, thread_name_prefix="write_results") as writers:
            for batch in self._read_images(files, summary):
                members, prepared = zip(*batch, strict=True)
                paths = [file.path for file in members]
                found = self.predictor.predict_prepared(paths, prepared, with_probabilities)
                for file, prediction in zip(members, found, strict=True):
                    waiting.append(writers.submit(self._write_image, file, prediction))
                    summary.num_predicted += 1
                while len(waiting) > WRITERS * 2:  # results that wait take memory
                    waiting.pop(0).result()
                    self._advance(1)
            for future in waiting:
                future.result()
                self._advance(1)

    def _read_images(self, files: Sequence[InputFile], summary: Summary) -> Iterator[list[tuple[InputFile, Any]]]:
        """Yield batches of images that have been read; those that cannot be are noted."""

        def read() -> Iterator[tuple[InputFile, Any, Exception | None]]:
            for file in files:
                try:
                    yield file, self.predictor.prepare(file.path), None
                except Exception as error:  # of a pipeline and its decoders
                    yield file, None, error

        batch: list[tuple[InputFile, Any]] = []
        for file, prepared, error in read_ahead(read(), max(2, self.image_batch)):
            if error is not None:
                summary.failures.append((file.path, reason_of(error)))
                self._advance(1)
                continue
            batch.append((file, prepared))
            if len(batch) == self.image_batch:
                yield batch
                batch = []
        if batch:
            yield batch

    def _write_image(self, file: InputFile, prediction: Prediction) -> None:
        counts = write_image_results(prediction, file.name, self.folder, self.results)
        self._record(file, False, counts, None)

    def _predict_raster(self, file: InputFile, rows: WindowAxis, columns: WindowAxis, summary: Summary) -> None:
        before = self._done

        def show(done: int) -> None:
            self._progress(before + done, self._total)

        try:
            facts = [identity_of(file.path), self.folder.settings, _facts_of(self.windows)]
            strips = StripFiles(self.folder.strips_folder(file.name), rows, columns, facts, self.folder.resume)
            predict_strips(self.predictor, file.path, self.rasters, self.windows, strips, show)
            results = RasterResults(file.path, self.rasters, strips, file.name, self.folder, self.predictor)
        except UserError as error:
            summary.failures.append((file.path, reason_of(error)))
        else:
            counts, square_metres = results.write(self.results)
            self._record(file, True, counts, square_metres)
            strips.remove()
            summary.num_predicted += 1
        self._done = before
        self._advance(rows.count * columns.count)

    def _write_areas(self, files: Sequence[InputFile]) -> None:
        """Write the table of all files that are done, those of other processes too."""
        rows = []
        for file in files:
            record = self.folder.read_record(file.name)
            if record is not None:
                rows.append(ClassCounts(file.name, record["counts"], record["square_metres"]))
        replace_file(self.folder.folder / AREAS, format_areas(rows, self.predictor.names))


def _facts_of(windows: WindowOptions) -> list[Any]:
    return [windows.batch_size, windows.with_confidence, windows.with_probabilities]


def reason_of(error: BaseException) -> str:
    """Say in one line what is wrong with an input."""
    text = " ".join(str(error).split())
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}".removesuffix(": ")


def shared_value_range(files: Sequence[InputFile], rasters: RasterSettings) -> ValueRange:
    """Find one range for all rasters whose values are not of eight bits: from their values at a reduced size.

    Files that cannot be read are left out.
    """
    samples = []
    whole = rasters._replace(value_range=ValueRange(0, 1))
    for file in files:
        try:
            if is_raster(file.path):
                with RasterSource(file.path, whole) as source:
                    samples.append(source.sample())
        except Exception:  # it is read, and listed, later
            continue
    return range_of_values(sample for sample in samples if sample.dtype != np.uint8)


def digest_of_model(files: Sequence[str | Path], config_text: str = "") -> str:
    """Return a digest of what a model's predictions depend on: its files, and its config as it is used."""
    digest = hashlib.blake2b(config_text.encode(errors="replace"), digest_size=16)
    for path in files:
        with open(path, "rb") as file:
            while block := file.read(2**22):
                digest.update(block)
    return digest.hexdigest()


def settings_of(
    digest: str, predictor: Predictor, results: ResultOptions, windows: WindowOptions, rasters: RasterSettings
) -> Mapping[str, Any]:
    """Return what class maps depend on, as plain values: two runs of one folder must agree in it."""
    return {
        "model": digest,
        "threshold": predictor.threshold,
        "clean_up": [vars(step) for step in results.clean_up],
        "window": [windows.size, windows.overlap, windows.resize],
        "bands": rasters.bands and list(map(str, rasters.bands)),
        "value_range": rasters.value_range,
    }
