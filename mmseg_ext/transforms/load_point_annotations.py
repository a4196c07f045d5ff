"""Labels that are points in a file."""

import logging
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.logging import print_log
from torch.utils.data import get_worker_info

from mmseg_ext.arguments import FilePath, LabelValue, StrPath
from mmseg_ext.data_check import LabelFileReport, Problem
from mmseg_ext.errors import MAX_LISTED, UserError
from mmseg_ext.image_names import image_name
from mmseg_ext.masks.orientation import read_orientation, swap_size, turn_point
from mmseg_ext.points.coordinates import describe_outside, look_like_percent
from mmseg_ext.points.images_below import images_by_bare_name
from mmseg_ext.points.label_budget import Frame
from mmseg_ext.points.point_files import Point, read_points
from mmseg_ext.registry import TRANSFORMS

_HOW_TO_NAME = "Write the path of an image relative to the data root, upper and lower case as on disk."
_WHOLE_NUMBER = re.compile(r"([0-9]+)(?:[.,]0*)?")


@cache
def _warn_once(text: str) -> None:
    """Log a warning, once in a process; the first of several data loading processes speaks for all."""
    worker = get_worker_info()
    if worker is None or worker.id == 0:
        print_log(text, "current", logging.WARNING)


@TRANSFORMS.register_module()
class LoadPointAnnotations(BaseTransform):
    """Load the points of an image, from one file for the whole dataset; all other pixels become `ignore_index`.

    Place it after the image is loaded. The points are placed at the image's original size: in training before anything
    changes the size, in validation behind Resize, since predictions are scored at the original size. The format is
    described in ``mmseg_ext.points.point_files``; coordinates count in the image as viewers show it. Class indices
    count the dataset's own classes from 0 (``reduce_zero_label``, which is about masks, does not change them); where
    `metainfo` chooses some of the classes, the label map of the sample is applied afterwards, as stock does.

    A file may name an image by its bare file name, without its folders, where only one image below the data root has
    it. A warning says once where a file is not quite as described.

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
            image, is of an unknown class, or contradicts another; an image has no point, or a bare file name that
            others have too.
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
        found = read_points(self.file)
        notes = found.notes
        for point in found.points:
            if point.label not in self.index_of:
                index = self.index_of[point.label] = self._class_index(point)
                if str(point.label) not in (str(index), *(self.classes or ())) and not str(point.label).isdigit():
                    notes = [*notes, f"with class {point.label!r} as index {index}"]
            self.points_of.setdefault(point.image, []).append(point)
        self.bare_names = {name for name in self.points_of if "/" not in name}
        if notes:
            _warn_once(f"{self.file} is read {', '.join(notes)}.")

    def transform(self, results: dict) -> dict:
        """Write ``results['gt_seg_map']``."""
        shape = (results.get("ori_shape") or results["img_shape"])[:2]
        labels_HW = np.full(shape, self.ignore_index, dtype=np.uint8)
        labels = self._labels_of(results, shape)
        if not labels and not self.allow_empty:
            name = image_name(results, self.data_root, type(self).__name__)
            raise UserError(f"Expected points of {name!r} in {self.file}, found none; {self._known()}. {self._fix()}")
        for (y, x), label in labels.items():
            labels_HW[y, x] = label
        results["gt_seg_map"] = labels_HW
        results["seg_fields"].append("gt_seg_map")
        return results

    def check_file(self, results: dict) -> LabelFileReport:
        """Check the points of one image, for the check before training.

        Args:
            results: The dataset's entry, with img_shape where the image could be read.
        """
        path, shape = results["img_path"], results.get("img_shape")
        try:
            labels = self._labels_of(results, shape)
        except UserError as error:
            return LabelFileReport(problems=[Problem(path, str(error).rstrip("."), kind="points")])
        report = LabelFileReport(counts=dict(Counter(labels.values())))
        if not labels and not self.allow_empty:
            what = f"it has no points in {self.file}; {self._known()}"
            report.shared.append(Problem(path, what, self._fix(), kind="no points"))
        if shape is not None and look_like_percent(list(labels), shape[1], shape[0]):
            what = f"all its points in {self.file} lie within 0..100, and it is {shape[1]} wide and {shape[0]} high"
            fix = "If they are percent, convert them to pixels."
            report.shared.append(Problem(path, what, fix, kind="points in percent", is_warning=True))
        return report

    def check_entries(self, entries: Sequence[Mapping]) -> list[Problem]:
        """Find points of images that do not exist, for the check before training.

        Images of the data root that are not in the dataset, such as those of another split, are none of them.
        """
        try:
            names = {image_name(entry, self.data_root, type(self).__name__) for entry in entries}
        except UserError:  # check_file says it
            return []
        others = self.points_of.keys() - names - {name.rpartition("/")[2] for name in names}
        by_folded = {name.casefold(): name for name in names}
        root = self._root_of(entries[0])
        unknown = {name: by_folded.get(name.casefold()) for name in others}
        unknown = {name: near for name, near in unknown.items() if near or not self._exists(name, root)}
        if not unknown:
            return []
        ordered = sorted(unknown, key=lambda name: self.points_of[name][0].line)
        shown = [
            f"{name!r} (line {self.points_of[name][0].line}" + (f"; the dataset has {near!r})" if near else ")")
            for name, near in ((name, unknown[name]) for name in ordered[:MAX_LISTED])
        ]
        more = f" and {len(ordered) - MAX_LISTED} more" if len(ordered) > MAX_LISTED else ""
        num_points = sum(len(self.points_of[name]) for name in ordered)
        what = (
            f"{num_points} points are of {len(ordered)} images that the dataset does not have: {', '.join(shown)}{more}"
        )
        return [Problem(self.file, what, _HOW_TO_NAME, "points of unknown images", is_warning=True)]

    def _root_of(self, results: Mapping) -> str:
        """Return the folder that names of images are relative to."""
        return str(self.data_root or results["img_path"].removesuffix(results["img_name"]) or os.curdir)

    def _exists(self, name: str, root: str) -> bool:
        return os.path.exists(os.path.join(root, name)) or (
            name in self.bare_names and len(images_by_bare_name(root).get(name, ())) == 1
        )

    def _known(self) -> str:
        known = f"such as {next(iter(self.points_of))!r}" if self.points_of else "none at all"
        return f"the file has points of {len(self.points_of)} images, {known}"

    def _fix(self) -> str:
        return f"{_HOW_TO_NAME} Or set allow_empty=True: an image may then have no point."

    def _points_of(self, results: Mapping, name: str) -> list[Point]:
        """Find the points of an image by its name, or else by its bare file name."""
        points = self.points_of.get(name, [])
        bare = name.rpartition("/")[2]
        if points or bare == name or bare not in self.bare_names:
            return points
        points = self.points_of[bare]
        root = self._root_of(results)
        found = {name, *images_by_bare_name(root).get(bare, [])}
        if len(found) > 1:
            shown = ", ".join(sorted(found)[:MAX_LISTED])
            raise UserError(
                f"{self.file}, line {points[0].line}: expected a file name that one image below {root} has, got "
                f"{bare!r}, which {len(found)} have: {shown}. {_HOW_TO_NAME}"
            )
        _warn_once(f"{self.file} names images by their bare file names; those that no other image has are read.")
        return points

    def _labels_of(self, results: Mapping, shape: Sequence[int] | None) -> dict[tuple[int, int], int]:
        """Find the class index of each labelled (row, column) of an image."""
        name = image_name(results, self.data_root, type(self).__name__)
        points = self._points_of(results, name)
        label_map = results.get("label_map") or {}
        first: dict[tuple[int, int], Point] = {}
        labels: dict[tuple[int, int], int] = {}
        orientation = 1 if self.frame == "shown" or shape is None else self._orientation(results["img_path"])
        shown = None if shape is None else (shape[0], shape[1])
        size = None if shown is None else swap_size(shown, orientation)  # in the frame of the points
        for point in points:
            if size is not None and not (0 <= point.x < size[1] and 0 <= point.y < size[0]):
                raise UserError(f"{self.file}, line {point.line}: {describe_outside(point.x, point.y, size, name)}")
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
        number = _WHOLE_NUMBER.fullmatch(str(label))
        index = int(number[1][:9]) if number else -1
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
