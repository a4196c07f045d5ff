"""Adds up the facts of the files of one dataset, and finds the problems that only all of them together show."""

import os
from collections import Counter
from dataclasses import dataclass, field, replace

from mmseg_ext.data_check.file_facts import ImageFacts
from mmseg_ext.data_check.judge import LabelFileReport, LabelSpec, judge_image, judge_mask
from mmseg_ext.data_check.reading_plan import ReadingPlan, list_suffixes
from mmseg_ext.data_check.report import DataReport, Problem
from mmseg_ext.masks.binary_masks import BinaryMeaning
from mmseg_ext.masks.index_masks import IndexMeaning
from mmseg_ext.masks.mask_facts import MaskFacts
from mmseg_ext.masks.orientation import FIX_UNTURNED

_MAX_NAMES = 5


@dataclass
class EntryFacts:
    """The facts and problems of one entry, and the facts that are new to the cache."""

    image: ImageFacts | None = None
    mask: MaskFacts | None = None
    custom: LabelFileReport | None = None
    problems: list[Problem] = field(default_factory=list)
    fresh: list[tuple[str, list[int], ImageFacts | MaskFacts]] = field(default_factory=list)
    num_read: int = 0


class Totals:
    """Adds up the facts and problems of the entries of one dataset."""

    def __init__(self, plan: ReadingPlan, report: DataReport) -> None:
        self.plan, self.report = plan, report
        self.spec: LabelSpec = plan.spec
        self.labels: Counter[int] = Counter()  # as on disk, of index and binary masks
        self.missing: list[Problem] = []
        self.unlabelled: list[str] = []
        self.shared: dict[str, list[Problem]] = {}
        self.unknown: dict[str, tuple[int, list[str]]] = {}
        self.read_as_stored: list[str] = []
        self.turned_unlike_mask: list[str] = []

    def add(self, entry: dict, facts: EntryFacts) -> None:
        """Judge one entry of the list and add it."""
        report = self.report
        image_path, mask_path = entry["img_path"], entry.get("seg_map_path")
        report.from_cache += facts.num_read == 0 and (facts.image or facts.mask) is not None
        self.missing += [p for p in facts.problems if p.kind == "mask missing"]
        report.errors += [p for p in facts.problems if p.kind != "mask missing"]
        size = None if facts.image is None else self._add_image(image_path, facts.image)
        labels = facts.custom
        if facts.mask is not None and mask_path is not None and self.plan.meaning is not None:
            labels = judge_mask(mask_path, facts.mask, self.plan.meaning, self.spec)
            if isinstance(self.plan.meaning, IndexMeaning | BinaryMeaning) and labels.counts:
                self.labels.update(dict(zip(facts.mask.values, facts.mask.counts, strict=True)))
        if labels is None:
            return
        report.errors += labels.problems
        for problem in labels.shared:
            self.shared.setdefault(problem.kind, []).append(problem)
        where = mask_path or image_path
        if size and labels.size and size != labels.size:
            report.errors.append(_size_problem(where, labels.size, image_path, size, facts.image))
        elif facts.image is not None and facts.mask is not None:
            self._compare_orientations(image_path, size, facts.image, facts.mask)
        if facts.mask is not None and facts.mask.orientation != 1 and not self.plan.turns_masks:
            what = f"the mask has an EXIF orientation ({facts.mask.orientation}), which mmseg's loading ignores"
            report.errors.append(Problem(where, what, "Read it with mmseg_ext.LoadAnnotations.", "EXIF orientation"))
        self._count(labels, image_path, where, size)

    def _add_image(self, path: str, image: ImageFacts) -> tuple[int, int]:
        """Judge an image and add it; returns its size as it is read."""
        size = self.plan.size_as_read(image)
        if not self.plan.reads_as_shown(image):
            self.read_as_stored.append(path)
        self.report.add_size(*size)
        if self.plan.strict_image:
            self.report.errors += judge_image(path, image)
        return size

    def _compare_orientations(
        self, path: str, size: tuple[int, int] | None, image: ImageFacts, mask: MaskFacts
    ) -> None:
        """Note an image whose mask, of the same size as it is read, is turned in another way."""
        differ = self.plan.reads_as_shown(image) and image.orientation != mask.orientation
        # Where the orientation changes the size, a mask of the size as shown was drawn on the image as shown.
        if differ and (image.stored_size == size or mask.orientation != 1):
            self.turned_unlike_mask.append(path)

    def _count(self, labels: LabelFileReport, image_path: str, where: str, size: tuple[int, int] | None) -> None:
        report, spec = self.report, self.spec
        report.num_masks += 1
        height, width = labels.size or size or (0, 0)
        report.num_pixels += height * width
        num_labelled = 0
        for index, count in labels.counts.items():
            if index in spec.ignored or not spec.is_valid(index):
                continue
            num_labelled += count
            if 0 <= index < len(report.class_pixels):
                report.class_pixels[index] += count
                report.class_images[index] += count > 0
        report.num_labelled_pixels += num_labelled
        if not num_labelled and not labels.problems and not labels.shared:
            self.unlabelled.append(image_path)
        for color, count in labels.ignored_colors.items():
            report.ignored_colors[color] = report.ignored_colors.get(color, 0) + count
        for color, count in labels.unknown_colors.items():
            before, paths = self.unknown.get(color, (0, []))
            self.unknown[color] = (before + count, [*paths, where])

    def finish(self) -> None:
        """Problems that only all files together show."""
        report, spec = self.report, self.spec
        report.errors += _missing_masks(self.missing, report.num_images)
        report.errors += self._off_by_one()
        self._judge_orientations()
        for problems in self.shared.values():
            first, paths = problems[0], [problem.path for problem in problems]
            if len(paths) > 1:
                first = replace(first, what=f"{first.what}; the same of {len(paths)} images: {_names(paths)}")
            (report.warnings if first.is_warning else report.errors).append(first)
        report.warnings += self._foreground_of_255()
        for color, (count, paths) in sorted(self.unknown.items()):
            what = f"{color}, which no class has, is ignored: {count} pixels, in {_names(paths)}"
            fix = f"Name it in ignore_colors=['{color}'] if that is right."
            report.warnings.append(Problem(paths[0], what, fix, "colour that no class has"))
        if self.unlabelled and len(self.unlabelled) == report.num_masks:
            what = f"none of the {report.num_masks} images has a labelled pixel"
            fix = f"The labels may be {spec.allowed()}."
            folder = _common_folder(self.unlabelled)
            report.errors.append(Problem(folder, what, fix, "nothing labelled"))
        elif self.unlabelled:
            what = f"{len(self.unlabelled)} of {report.num_images} images have no labelled pixel"
            fix = f"They are: {_names(self.unlabelled)}."
            folder = _common_folder(self.unlabelled)
            report.warnings.append(Problem(folder, what, fix, "nothing labelled"))

    def _judge_orientations(self) -> None:
        report, plan = self.report, self.plan
        if self.read_as_stored:
            how = f"color_type='{plan.image_flag}', imdecode_backend='{plan.image_backend}'"
            what = (
                f"the loader ({how}) ignores the EXIF orientation of {_count(self.read_as_stored, report)}; points, "
                "and copies by tools/downsample.py, are of the images as viewers show them"
            )
            fix = "Read them with mmseg_ext.LoadImageFromFile, and no color_type that ends in _ignore_orientation."
            problem = Problem(_common_folder(self.read_as_stored), what, fix, "EXIF orientation")
            (report.warnings if plan.custom is None else report.errors).append(problem)
        if self.turned_unlike_mask:
            what = f"{_count(self.turned_unlike_mask, report)} have another EXIF orientation than their masks"
            fix = (
                f"That is right where the masks were drawn on the images as viewers show them. If not: {FIX_UNTURNED}."
            )
            folder = _common_folder(self.turned_unlike_mask)
            report.warnings.append(Problem(folder, what, fix, "EXIF orientation"))

    def _off_by_one(self) -> list[Problem]:
        spec, classes = self.spec, len(self.spec.classes)
        if not isinstance(self.plan.meaning, IndexMeaning):
            return []
        folder = os.path.dirname(self.plan.entries[0].get("seg_map_path") or "")
        found = {v for v in self.labels if v not in spec.ignored}
        if spec.label_map or classes < 2 or not found:
            return []
        if not spec.reduce_zero_label and max(found) == classes:
            zero = "0 never occurs" if 0 not in found else "0 occurs too, perhaps as 'not labelled'"
            what = f"the masks hold labels up to {classes}, one more than {classes} classes allow, and {zero}"
            fix = f"If they count from 1, set reduce_zero_label=True in the dataset: 0 is ignored, 1..{classes} remain."
            return [Problem(folder, what, fix, "labels count from 1")]
        if spec.reduce_zero_label and found == set(range(classes)):
            percent = 100 * self.labels[0] / self.labels.total()
            what = (
                f"reduce_zero_label=True ignores label 0 ({percent:.1f} % of the pixels), and label {classes}, the "
                f"last class '{spec.classes[-1]}', never occurs while 0..{classes - 1} all do"
            )
            fix = "If the labels count from 0, set reduce_zero_label=False in the dataset."
            self.report.warnings.append(Problem(folder, what, fix, "labels count from 0"))
        return []

    def _foreground_of_255(self) -> list[Problem]:
        """Find masks of 0 and 255 that are read as 0, 1 and "not labelled"."""
        meaning, classes = self.plan.meaning, self.spec.classes
        if set(self.labels) != {0, 255} or len(classes) != 2 or self.spec.reduce_zero_label or self.spec.label_map:
            return []
        if isinstance(meaning, BinaryMeaning) and meaning.kind == "0/1":
            fix = "If 255 is the foreground, set kind='0/255'."
        elif isinstance(meaning, IndexMeaning):
            fix = "If 255 is the foreground, load them with mmseg_ext.LoadBinaryAnnotations(kind='0/255')."
        else:
            return []
        folder = os.path.dirname(self.plan.entries[0].get("seg_map_path") or "")
        what = f"the masks hold 0 and 255 alone, and 255 means 'not labelled': no pixel is '{classes[1]}'"
        return [Problem(folder, what, fix, "no foreground")]


def _missing_masks(missing: list[Problem], num_images: int) -> list[Problem]:
    if len(missing) < num_images or num_images < 2:
        return missing
    folder = os.path.dirname(missing[0].path)
    if os.path.isdir(folder):
        there = list_suffixes(folder) or "no file"
        fix = f"The folder holds {there}: set seg_map_suffix to how the names of the masks end."
    else:
        fix = "The folder does not exist: set data_root and data_prefix=dict(seg_map_path=…) to where the masks are."
    what = f"none of the {len(missing)} masks is there; the first is expected at {missing[0].path}"
    return [Problem(folder, what, fix, "mask missing")]


def _size_problem(
    mask_path: str, mask_size: tuple[int, int], image_path: str, size: tuple[int, int], image: ImageFacts | None
) -> Problem:
    what = f"the mask is {mask_size[0]}x{mask_size[1]}, its image {image_path} is {size[0]}x{size[1]} (height x width)"
    fix = "Replace one of the two, or resize the mask with nearest-neighbour interpolation."
    if image is not None and size == (image.height, image.width) and mask_size == image.stored_size:
        what += f": the image is turned by its EXIF orientation ({image.orientation}), and the mask is not"
        fix = f"{FIX_UNTURNED}."
    elif image is not None and mask_size == (image.height, image.width):
        what += f": the loader does not follow the image's EXIF orientation ({image.orientation}), the mask does"
        fix = "Read it with mmseg_ext.LoadImageFromFile, and no color_type that ends in _ignore_orientation."
    return Problem(mask_path, what, fix, "size of mask and image")


def _count(paths: list[str], report: DataReport) -> str:
    return f"{len(paths)} of {report.num_images} images ({_names(paths)})"


def _common_folder(paths: list[str]) -> str:
    return os.path.commonpath([os.path.dirname(os.path.abspath(p)) for p in paths])


def _names(paths: list[str]) -> str:
    """The first names, with as much of their folders as makes them distinct."""
    folder = _common_folder(paths)
    shown = ", ".join(os.path.relpath(p, folder) for p in paths[:_MAX_NAMES])
    return shown + (f" and {len(paths) - _MAX_NAMES} more" if len(paths) > _MAX_NAMES else "")
