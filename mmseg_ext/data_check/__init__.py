"""The check of all images and label files before the first step.

Reading and judging are apart: `file_facts` reads the facts of a file (its size, its labels or colours and how many
pixels each has), `facts_cache` keeps them, `judge` compares them with what the dataset and its pipeline expect. So
another palette or other classes are judged anew without reading a file again.
"""

from mmseg_ext.data_check.check import check_dataset, images_of, read_facts, transforms_of
from mmseg_ext.data_check.judge import (
    ChecksEntries,
    ChecksLabelFile,
    LabelFileReport,
    LoadsMasks,
)
from mmseg_ext.data_check.reading_plan import describe_empty
from mmseg_ext.data_check.report import DataReport, Problem, raise_for_problems
from mmseg_ext.data_check.shared_images import shared_images

__all__ = [
    "ChecksEntries",
    "ChecksLabelFile",
    "DataReport",
    "LabelFileReport",
    "LoadsMasks",
    "Problem",
    "check_dataset",
    "describe_empty",
    "images_of",
    "raise_for_problems",
    "read_facts",
    "shared_images",
    "transforms_of",
]
