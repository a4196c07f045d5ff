"""Class maps from small logits: ties, half precision, flips, and the memory that it takes."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from comparisons import assert_same_classes

from mmseg_ext.models.resampling.image_logits import ImageLogits
from mmseg_ext.models.resampling.predicted_images import Placement, placement_of, predict_images

ROOT = Path(__file__).resolve().parents[3]


def test_equal_logits_go_to_the_first_class():
    logits = torch.zeros(1, 4, 4, 4)
    logits[:, 2:] = 1
    # Sizes that are powers of two: every weight of the interpolation is exact, and so is their sum.
    (found,) = predict_images(
        ImageLogits.of_whole(logits, (32, 32), False), [Placement((0, 32), (0, 32), None, (64, 64))]
    )
    assert (found.prediction_HW == 2).all()


def test_half_precision_is_interpolated_in_float32(mmseg_scope):
    logits = torch.randn(1, 5, 9, 9)
    for dtype in (torch.bfloat16, torch.float16):
        half = logits.to(dtype)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            (found,) = predict_images(
                ImageLogits.of_whole(half, (36, 36), False), [Placement((0, 36), (0, 36), None, (36, 36))]
            )
        assert_same_classes(found.prediction_HW, F.interpolate(half.float(), (36, 36), mode="bilinear")[0])


def test_a_flip_that_is_none_is_refused():
    with pytest.raises(ValueError, match="'horizontal' or 'vertical', got 'diagonal'"):
        placement_of({"flip": True, "flip_direction": "diagonal", "ori_shape": (3, 4)}, (3, 4))


PEAK = """
import resource, sys
import torch
from mmseg_ext import stack
stack.prepare()
from mmseg_ext.scores.confusion_matrix import count_confusion
from mmseg_ext.models.resampling.image_logits import ImageLogits
from mmseg_ext.models.resampling.predicted_images import Placement, predict_images

def run(height, width, classes=150):
    logits = torch.randn(1, classes, height // 32, width // 32)
    labels = torch.zeros(height, width, dtype=torch.uint8)
    shape = (height // 4, width // 4)
    logits = ImageLogits.of_whole(logits, shape, False)
    placement = Placement((0, shape[0]), (0, shape[1]), None, (height, width))
    (found,) = predict_images(logits, [placement], labels=[labels])
    return count_confusion(found.prediction_HW, labels, classes)

run(320, 320)  # what torch allocates once
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert run(1500, 2000).sum() == 1500 * 2000
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_is_that_of_the_class_map():
    done = subprocess.run(
        [sys.executable, "-c", PEAK], cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
    )
    peak = int(done.stdout.split()[-1]) * 1024
    # All logits at full size are 1800 MB, a class map is 24 MB.
    assert peak < 250e6
