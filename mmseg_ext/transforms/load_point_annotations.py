"""Labels that are points in a file."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from mmseg_ext.arguments import FilePath, LabelValue, StrPath
from mmseg_ext.data_check import LabelFileReport, Problem
from mmseg_ext.errors import UserError
from mmseg_ext.image_names import image_name
from mmseg_ext.masks.orientation import read_orientation, swap_size, turn_point
from mmseg_ext.points.label_budget import Frame
from mmseg_ext.points.point_files import Point, read_points
from mmseg_ext.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadPointAnnotations(BaseTransform):
    """Load the points of an image, from one file for the whole dataset; all other pixels become `ignore_index`.

    Place it after the image is loaded. The points are placed at the image's original size: in training before anything
    changes the size, in validation behind Resize, since predictions are scored at the original size. The format is
    described in ``mmseg_ext.points.point_files``; coordinates count in the image as viewers show it. Class indices
    count the dataset's own classes from 0 (``reduce_zero_label``, which is about masks, does not change them); where
    `metainfo` chooses some of the classes, the label map of the sample is applied afterwards, as stock does.

    Required keys: ori_shape or img_shape; img_name (our datasets give it) or img_path. Added keys: gt_seg_map (uint8
    (H, W)); 'gt_seg_map' joins seg_fields.

    Args:
        file: CSV or JSON Lines.
        classes: Names of the dataset's own classes, in their order. Needed where the file names classes.
        data_root: Where the data lies, for datasets that give no img_name; the name is img_path relative to it.
        allow_empty: Whether an image may have no point in the file. It then has no label at all.
        frame: What the coordinates of an image with an EXIF orientation count in: 'shown', the image as viewers show it
            and as it is loaded; or 'stored', its pixels as they lie in the file, for files of points written by a
            program that ignores the orientation.
        ignore_index: Marks pixels without a label.

    Raises:
        UserError: The file cannot be read or is wrong (the message names file and line); a point lies outside its
            image, is of an unknown class, or contradicts another; an image has no point.
    """

    def __init__(
        self,
        file: FilePath,
        classes: Sequence[str] | None = None,
        data_root: StrPath | None = None,
        allow_empty: bool = False,
        frame: Frame = "shown",
        ignore_index: LabelValue = 255,
    ) -> None:
        self.file = str(file)
        self.classes = None if classes is None else list(classes)
        self.data_root = data_root
        self.allow_empty = allow_empty
        self.frame = frame
        self.orientation_of: dict[str, int] = {}
        self.ignore_index = ignore_index
        self.points_of: dict[str, list[Point]] = {}
        self.index_of: dict[str | int, int] = {}
        for point in read_points(self.file).points:
            if point.label not in self.index_of:
                self.index_of[point.label] = self._class_index(point)
            self.points_of.setdefault(point.image, []).append(point)

    def transform(self, results: dict) -> dict:
        """Write ``results['gt_seg_map']``."""
        shape = (results.get("ori_shape") or results["img_shape"])[:2]
        labels_HW = np.full(shape, self.ignore_index, dtype=np.uint8)
        for (y, x), label in self._labels_of(results, shape).items():
            labels_HW[y, x] = label
        results["gt_seg_map"] = labels_HW
        results["seg_fields"].append("gt_seg_map")
        return results

    def check_file(self, results: dict) -> LabelFileReport:
        """Check the points of one image, for the check before training.

        Args:
            results: The dataset's entry, with img_shape where the image could be read.
        """
        try:
            counts = Counter(self._labels_of(results, results.get("img_shape")).values())
        except UserError as error:
            return LabelFileReport(problems=[Problem(results["img_path"], str(error).rstrip("."), kind="points")])
        return LabelFileReport(counts=dict(counts))

    def _labels_of(self, results: Mapping, shape: Sequence[int] | None) -> dict[tuple[int, int], int]:
        """Find the class index of each labelled (row, column) of an image."""
        name = image_name(results, self.data_root, type(self).__name__)
        points = self.points_of.get(name, [])
        if not points and not self.allow_empty:
            known = f"such as {next(iter(self.points_of))!r}" if self.points_of else "none at all"
            raise UserError(
                f"Expected points of {name!r} in {self.file}, found none; it has {len(self.points_of)} images, {known}."
                " Write the image's path relative to the data root, or set LoadPointAnnotations(allow_empty=True)."
            )
        label_map = results.get("label_map") or {}
        first: dict[tuple[int, int], Point] = {}
        labels: dict[tuple[int, int], int] = {}
        orientation = 1 if self.frame == "shown" or shape is None else self._orientation(results["img_path"])
        shown = None if shape is None else (shape[0], shape[1])
        size = None if shown is None else swap_size(shown, orientation)  # in the frame of the points
        for point in points:
            if size is not None and not (0 <= point.x < size[1] and 0 <= point.y < size[0]):
                raise UserError(
                    f"{self.file}, line {point.line}: expected x in 0..{size[1] - 1} and y in 0..{size[0] - 1} inside"
                    f" {name}, got x={point.x}, y={point.y}. Move the point, or remove it."
                )
            index = self.index_of[point.label]
            if label_map and index not in label_map:
                raise UserError(
                    f"{self.file}, line {point.line}: expected a class index in 0..{len(label_map) - 1}, got {index}."
                )
            before = first.setdefault((point.y, point.x), point)
            if self.index_of[before.label] != index:
                raise UserError(
                    f"{self.file}, line {point.line}: expected one class for the pixel x={point.x}, y={point.y} of "
                    f"{name}, got {point.label!r} after {before.label!r} in line {before.line}. Remove one of them."
                )
            x, y = (point.x, point.y) if shown is None else turn_point(point.x, point.y, shown, orientation)
            labels[y, x] = label_map.get(index, index)
        return labels

    def _orientation(self, path: str) -> int:
        """Read the EXIF orientation of an image once."""
        if path not in self.orientation_of:
            self.orientation_of[path] = read_orientation(path)
        return self.orientation_of[path]

    def _class_index(self, point: Point) -> int:
        """Look up a class by its name, or else read it as an index."""
        label = point.label
        if self.classes is not None and label in self.classes:
            return self.classes.index(str(label))
        index = int(label) if isinstance(label, int) or (label.isascii() and label.isdigit()) else -1
        limit = self.ignore_index if self.classes is None else len(self.classes)
        if 0 <= index < limit:
            return index
        where = f"{self.file}, line {point.line}"
        if self.classes is None:
            raise UserError(
                f"{where}: expected a class index in 0..{limit - 1}, got {label!r}. If that is a name, set "
                "LoadPointAnnotations(classes=[…]) to the dataset's classes."
            )
        names = ", ".join(self.classes)
        raise UserError(f"{where}: expected a class, one of {names}, or its index 0..{limit - 1}, got {label!r}.")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(file={self.file!r}, classes={self.classes})"
