"""Copies of masks in which areas that were answered to be wrong are ignored, or take the prediction.

Shape suffixes: H W height and width.
"""

import json
from collections.abc import Mapping
from itertools import repeat
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from mmseg_ext import __version__
from mmseg_ext.audit.audit_page import audit_id
from mmseg_ext.audit.auditing import Audit
from mmseg_ext.audit.candidate_list import candidate_id
from mmseg_ext.audit.image_records import ImageRecord
from mmseg_ext.audit.pixel_evidence import UNLABELLED
from mmseg_ext.errors import UserError
from mmseg_ext.files import join_below, read_json, replace_file
from mmseg_ext.masks.class_maps import pack_labels
from mmseg_ext.pictures import SPARSE_SHARE
from mmseg_ext.points.point_files import Point, write_points
from mmseg_ext.progress import ProgressDisplay

Answer = Literal["right", "wrong", "unsure"]
Correction = Literal["ignore", "prediction"]
COMMAND = "tools/audit_labels.py"
RECORD = "corrected.json"
POINTS = "points.csv"


class Corrected(NamedTuple):
    """What a correction has come to.

    Attributes:
        num_masks: Masks that were written.
        num_points: Points that were written, of images whose labels are points.
        num_areas: Areas, or points, that were corrected.
        num_pixels: Pixels whose label has changed.
        num_unknown: Answers about places that are none of this audit: labels or models have changed since.
    """

    num_masks: int
    num_points: int
    num_areas: int
    num_pixels: int
    num_unknown: int

    def describe(self) -> str:
        """Say it in one line."""
        written = [f"{n} {what}" for n, what in ((self.num_masks, "masks"), (self.num_points, "points")) if n]
        text = f"{', '.join(written)}; {self.num_areas} place{'s' * (self.num_areas != 1)} corrected, "
        text += f"{self.num_pixels:,} pixels"
        if self.num_unknown:
            is_one = self.num_unknown == 1
            about = "answer is about no place" if is_one else "answers are about no places"
            text += f". {self.num_unknown} {about} of this audit: labels or models have changed since"
        return text


def read_answers(path: str | Path, audit: Audit) -> dict[str, Answer]:
    """Read the answers that the page has saved.

    Raises:
        UserError: There are none, the file is no file of answers, or they are of another audit.
    """
    try:
        found: Any = read_json(path)
        answers = {str(place): answer for place, answer in found["answers"].items()}
        of = found["audit"]
    except FileNotFoundError:
        raise UserError(
            f"Expected answers in {path}, found no file. Answer on the page, press s, and put answers.json there, or "
            "name it with --answers."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"Expected answers that the page has saved in {path}, got something else ({error!r})."
        ) from error
    if of != audit_id(audit):
        raise UserError(f"Expected answers of this audit in {path}, got those of another one. Name the right file.")
    wrong = sorted({repr(answer) for answer in answers.values()} - {repr(a) for a in ("right", "wrong", "unsure")})
    if wrong:
        raise UserError(f"Expected the answers right, wrong or unsure in {path}, got {wrong[0]}. Correct the file.")
    return answers


def correct_labels(
    labels_HW: np.ndarray,
    predicted_HW: np.ndarray,
    name: str,
    record: ImageRecord,
    answers: Mapping[str, Answer],
    how: Correction,
) -> tuple[np.ndarray, set[str]]:
    """Correct the labels of one image.

    Where an area answered to be right lies over one that is wrong, its labels stay.

    Args:
        labels_HW: uint8, 255 for none.
        predicted_HW: The prediction.
        name: Of the image.
        record: Of the image.
        answers: By the id of the candidate.
        how: 'ignore' sets the label to 255, 'prediction' to the predicted class.

    Returns:
        New labels, and the ids of the areas that were corrected.
    """
    wrong_HW = np.zeros(labels_HW.shape, bool)
    used = set()
    for answer in ("wrong", "right"):
        for candidate in record.candidates:
            identity = candidate_id(name, candidate)
            if answers.get(identity) == answer:
                wrong_HW[slice(*candidate.rows), slice(*candidate.columns)][candidate.mask_hw] = answer == "wrong"
                used |= {identity} if answer == "wrong" else set()
    wrong_HW &= labels_HW != UNLABELLED
    return np.where(wrong_HW, predicted_HW if how == "prediction" else np.uint8(UNLABELLED), labels_HW), used


def write_corrected(audit: Audit, answers: Mapping[str, Answer], target: str | Path, how: Correction) -> Corrected:
    """Write corrected copies of all labels; the originals are not touched.

    Masks become PNGs of class indices in ``labels/``, 255 where ignored, named as their images; points become one file.

    Args:
        audit: Finished.
        answers: See :func:`read_answers`.
        target: A new or empty folder, or one that this has written.
        how: See :func:`correct_labels`.

    Raises:
        UserError: The folder holds something else, or there is no area to correct.
    """
    if "wrong" not in answers.values():
        raise UserError("Expected an answer that a label is wrong, got none. There is nothing to correct.")
    target = Path(target)
    if target.exists() and (not target.is_dir() or (any(target.iterdir()) and not (target / RECORD).is_file())):
        raise UserError(f"Expected a new or empty folder for corrected labels, got {target}. Name another one.")
    paths = [join_below(target / "labels", Path(name).with_suffix(".png")) for name in audit.images.names]
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise UserError(f"Expected images whose names differ before the suffix, got two for {twice}. Rename one.")
    settings = {"written by": f"mmseg_ext {__version__}, {COMMAND}", "how": how, "classes": audit.images.classes}
    replace_file(target / RECORD, json.dumps(settings, indent=1))
    palette = np.array(audit.images.palette, np.uint8)
    points: list[Point] = []
    corrected: set[str] = set()
    num_pixels = num_masks = 0
    with ProgressDisplay("Writing corrected labels") as progress:
        for index, name in enumerate(audit.images.names):
            record, labels_HW = audit.folder.read(name), audit.images.sample(index)["gt_seg_map"]
            new_HW = labels_HW
            if record is not None:
                predicted_HW = audit.folder.read_prediction(name)
                new_HW, used = correct_labels(labels_HW, predicted_HW, name, record, answers, how)
                corrected |= used
                num_pixels += int(np.count_nonzero(new_HW != labels_HW))
            if np.count_nonzero(labels_HW != UNLABELLED) < SPARSE_SHARE * labels_HW.size:
                rows, columns = np.nonzero(new_HW != UNLABELLED)
                labels = [audit.images.classes[label] for label in new_HW[rows, columns]]
                points += map(Point, repeat(name), columns.tolist(), rows.tolist(), labels)
            else:
                replace_file(paths[index], pack_labels(new_HW, palette), sync=False)
                num_masks += 1
            progress(index + 1, len(audit.images))
    if points:
        write_points(target / POINTS, points, {"written by": COMMAND})
    wrong = {place for place, answer in answers.items() if answer == "wrong"}
    return Corrected(num_masks, len(points), len(corrected), num_pixels, len(wrong - corrected))
