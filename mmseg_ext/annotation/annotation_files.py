"""What the page writes: the file of points, predicted masks, the config that trains on the points.

All of it lies beside the file of points, which ``--out`` names, and bears its name.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmseg_ext import __version__
from mmseg_ext.annotation.image_folder import ImageFolder
from mmseg_ext.annotation.point_database import PointDatabase
from mmseg_ext.annotation.prediction_loop import PredictionLoop
from mmseg_ext.annotation.training_config import training_config
from mmseg_ext.errors import UserError
from mmseg_ext.escaping import printable
from mmseg_ext.files import join_below, refuse_other_file, replace_file
from mmseg_ext.points.point_files import Point, check_target, write_points

COMMAND = "tools/annotate.py"
WRITE_SECONDS = 1.0
"""Pause between two writes of the file of points."""


class AnnotationFiles:
    """Writes the results of a session.

    Args:
        points_file: CSV or JSON Lines, rewritten as the points change.
        folder: The images.
        database: The points.
        colors: Colour of each class, as '#rrggbb'.
        make_model: Makes the config of the model; imports what takes seconds to import.
        scale: What images are resized to for it.

    Attributes:
        message: What was written last, or why nothing could be.

    Raises:
        UserError: There is a file of points of another origin.
    """

    def __init__(
        self,
        points_file: str | Path,
        folder: ImageFolder,
        database: PointDatabase,
        colors: list[str],
        make_model: Callable[[], dict[str, Any]],
        scale: tuple[int, int],
    ) -> None:
        check_target(points_file, COMMAND)
        self.points_file, self.folder, self.database, self.colors = Path(points_file), folder, database, colors
        self._make_model, self._scale = make_model, scale
        base = self.points_file.with_suffix("")
        self.mask_folder = base.with_name(f"{base.name}_masks")
        self.config_file = base.with_name(f"{base.name}_train.py")
        self.message = ""
        self._written_revision = -1
        self._changed, self._is_stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="writer of points", daemon=True)

    def start(self) -> None:
        """Write the points now, and from now on as they change."""
        self.write_points()
        self._thread.start()

    def stop(self) -> None:
        """Write what is not written yet, and end."""
        self._is_stopped.set()
        self._changed.set()
        self._thread.join()
        self.write_points()

    def notice_change(self) -> None:
        """Note that points have changed."""
        self._changed.set()

    def _run(self) -> None:
        while not self._is_stopped.is_set():
            self._changed.wait()
            self._changed.clear()
            try:
                self.write_points()
            except (OSError, UserError) as error:
                self.message = f"{self.points_file} cannot be written: {error}. The points are in the database."
            self._is_stopped.wait(WRITE_SECONDS)

    def write_points(self) -> None:
        """Write the file of points, unless it is as it should be."""
        revision = self.database.revision
        if revision == self._written_revision:
            return
        classes = self.database.classes
        points = [Point(p.image, p.x, p.y, classes[p.label]) for p in self.database.points_since()]
        points.sort()
        about = {
            "written by": f"mmseg_ext {__version__}, {COMMAND}",
            "images": len({point.image for point in points}),
            "points": len(points),
        }
        write_points(self.points_file, points, about)
        self._written_revision = revision

    def write_masks(self, numbers: Sequence[int], loop: PredictionLoop) -> None:
        """Predict images and write their masks, one after another, between the clicks.

        Args:
            numbers: Of the images.
            loop: What predicts.
        """
        total = len(numbers)

        def write(place: int) -> None:
            try:
                self._write_mask(numbers[place], loop)
            except (OSError, UserError) as error:
                self.message = f"No mask of {printable(self.folder.names[numbers[place]])}: {printable(error)}"
                return
            self.message = f"{place + 1} of {total} masks written to {printable(self.mask_folder)}"
            if place + 1 < total:
                loop.do(lambda: write(place + 1))

        if numbers:
            loop.do(lambda: write(0))

    def _write_mask(self, number: int, loop: PredictionLoop) -> None:
        from mmseg_ext.features.completion import enlarge_labels
        from mmseg_ext.masks.class_maps import pack_labels

        name = Path(self.folder.names[number]).with_suffix(".png")
        labels_HW, _ = enlarge_labels(loop.log_probabilities(number).exp(), self.folder.size(number))
        replace_file(join_below(self.mask_folder, name), pack_labels(labels_HW, loop.colors), sync=False)

    def write_training_config(self) -> dict[str, Any]:
        """Write a config that fits a light head to the points; return its path and the command.

        Raises:
            UserError: There are too few points, or the file is there and was written by something else.
        """
        self.write_points()
        points = [p for p in self.database.points_since() if p.image in self.folder.number_of]
        if len({point.label for point in points}) < 2:
            raise UserError("Expected points of two classes or more to train on, there are fewer. Click some.")
        colors = dict(zip(self.database.classes, self.colors, strict=True))
        text = training_config(self.config_file, self.folder, self.points_file, colors, self._make_model(), self._scale)
        begin = text.partition("\n")[0]
        refuse_other_file(self.config_file, COMMAND, lambda: self.config_file.read_text().startswith(begin))
        replace_file(self.config_file, text)
        return {"file": printable(self.config_file), "command": f"python tools/fit.py {printable(self.config_file)}"}
