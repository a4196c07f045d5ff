"""The check of all images and label files before the first step.

Reading and judging are apart: `files` reads the facts of a file (its size, its labels or colours and how many pixels
each has), `cache` keeps these facts, `judge` compares them with what the dataset and its pipeline expect. So another
palette or other classes are judged anew without reading a file again.
"""

from mmseg_ext.data_check.check import check_dataset, transforms_of
from mmseg_ext.data_check.file_facts import MaskFacts
from mmseg_ext.data_check.judge import (
    ChecksEntries,
    ChecksLabelFile,
    JudgesMask,
    LabelFileReport,
    LabelSpec,
    judge_mask,
)
from mmseg_ext.data_check.reading_plan import describe_empty
from mmseg_ext.data_check.report import DataReport, Problem, raise_for_problems
from mmseg_ext.progress import ProgressDisplay

__all__ = [
    "ChecksEntries",
    "ChecksLabelFile",
    "DataReport",
    "JudgesMask",
    "LabelFileReport",
    "LabelSpec",
    "MaskFacts",
    "Problem",
    "ProgressDisplay",
    "check_dataset",
    "describe_empty",
    "judge_mask",
    "raise_for_problems",
    "transforms_of",
]
