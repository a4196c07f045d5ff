"""The scope fills itself: no custom_imports, default scope mmseg."""

import os
import subprocess
import sys
from pathlib import Path

import mmseg.registry
import pytest
from mmengine.registry import DefaultScope

from mmseg_ext import registry

ROOT = Path(registry.__file__).parents[1]
FRESH = """
from mmseg_ext import stack
stack.prepare()
import sys
from mmengine.registry import TRANSFORMS, init_default_scope
assert not [m for m in sys.modules if m.startswith("mmseg_ext.transforms") or m == "mmseg_ext.registry"]
init_default_scope("mmseg")
from mmcv.transforms import Compose
random_resize = {"type": "RandomResize", "scale": (32, 32), "resize_type": "mmseg_ext.PointSafeResize"}
points = {"type": "mmseg_ext.SamplePoints", "num_points": 20}
pipeline = Compose([{"type": "LoadAnnotations"}, random_resize, points, {"type": "PackSegInputs"}])
print(*(f"{type(t).__module__}.{type(t).__name__}" for t in pipeline.transforms))
print(type(pipeline.transforms[1].resize).__module__, pipeline.transforms[2])
"""


def test_a_fresh_process_finds_components_from_the_scope_mmseg(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FRESH],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    classes, described = done.stdout.splitlines()
    assert classes.split() == [
        "mmseg.datasets.transforms.loading.LoadAnnotations",
        "mmcv.transforms.processing.RandomResize",
        "mmseg_ext.transforms.sample_points.SamplePoints",
        "mmseg.datasets.transforms.formatting.PackSegInputs",
    ]
    expected = "SamplePoints(num_points=20, per='image', strategy='uniform', seed=0, resample=False)"
    assert described == f"mmseg_ext.transforms.point_safe_resize {expected}"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("DATASETS", "LoveDADataset"),
        ("DATASETS", "DubaiAerialDataset"),
        ("DATASETS", "DownsampledADE20KDataset"),
        ("TRANSFORMS", "LoadColorAnnotations"),
        ("TRANSFORMS", "SamplePoints"),
        ("MODELS", "EfficientNetLite"),
        ("MODELS", "FeatureSegmentor"),
        ("LOOPS", "FitLoop"),
        ("TRANSFORMS", "PointSafeResize"),
        ("TRANSFORMS", "PointAwareRandomCrop"),
        ("MODELS", "PartialCrossEntropyLoss"),
        ("MODELS", "MultiScaleDeformableAttention"),
        ("MODELS", "Mask2FormerHead"),
        ("METRICS", "SegmentationMetric"),
        ("METRICS", "PredictionWriter"),
    ],
)
def test_every_public_name_is_found_through_mmsegs_registry_and_by_its_own_name(kind, name):
    component = getattr(mmseg.registry, kind).get(f"{registry.SCOPE}.{name}")
    assert component.__name__ == name
    assert component.__module__.startswith("mmseg_ext.")
    assert getattr(registry, kind).get(name) is component


def test_bare_names_go_on_meaning_mmsegs():
    with DefaultScope.overwrite_default_scope("mmseg"):
        assert mmseg.registry.DATASETS.get("LoveDADataset").__module__ == "mmseg.datasets.loveda"
        assert mmseg.registry.DATASETS.get("mmseg_ext.LoveDADataset").__module__ == "mmseg_ext.datasets.loveda"
