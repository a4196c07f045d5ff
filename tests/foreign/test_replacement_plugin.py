"""The plugin and its table, without the sources of others."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from replacement_plugin import SUITE_VARIABLE, named
from suites import SUITES

HERE = Path(__file__).parent

SEEN_BY_A_SUITE = """
import pytest
from mmseg.datasets import transforms
from mmseg.datasets.transforms import Resize
from mmseg.registry import TRANSFORMS
from mmengine.registry import DefaultScope
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmcv.transforms import LoadImageFromFile
import mmseg_ext.transforms

def test_imported_names_are_ours():
    assert Resize is transforms.Resize is mmseg_ext.transforms.Resize
    assert LoadImageFromFile is mmseg_ext.transforms.LoadImageFromFile

def test_names_in_the_registries_are_ours():
    with DefaultScope.overwrite_default_scope("mmseg"):
        assert type(TRANSFORMS.build({"type": "Resize", "scale": 8})) is mmseg_ext.transforms.Resize
    assert MMENGINE_TRANSFORMS.get("LoadImageFromFile") is mmseg_ext.transforms.LoadImageFromFile

def test_the_base_of_ours_is_still_stocks():
    base = mmseg_ext.transforms.Resize.__base__
    assert base.__module__.startswith("mmseg.") and base is not mmseg_ext.transforms.Resize

def test_a_refusal_of_ours_is_one_of_stocks():
    with pytest.raises(AssertionError):
        transforms.RandomFlip(prob=1.5)
"""


@pytest.mark.parametrize("name", SUITES)
def test_every_name_of_the_table_is_there(name):
    for stock, ours in SUITES[name].replaced.items():
        assert callable(named(ours)), ours
        if find_spec(stock.partition(".")[0]) is not None:
            assert named(stock) is not named(ours), stock


def test_a_suite_sees_ours(tmp_path):
    (tmp_path / "test_seen.py").write_text(SEEN_BY_A_SUITE)
    path = [HERE, *HERE.parents[:2], os.environ.get("PYTHONPATH", "")]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "replacement_plugin", "-c", os.devnull, "test_seen.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), SUITE_VARIABLE: "transforms"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-3000:]
    assert "4 passed" in run.stdout
