"""The public test suites of mmsegmentation, mmcv, torchmetrics and pycocotools, run on this package's classes.

``MMSEG_EXT_FOREIGN`` names a folder with a checkout of each: mmsegmentation, mmcv, torchmetrics, cocoapi.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import pytest
from replacement_plugin import SUITE_VARIABLE
from suites import SUITES

HERE = Path(__file__).parent
CHECKOUTS_VARIABLE = "MMSEG_EXT_FOREIGN"


@pytest.mark.parametrize("name", SUITES)
def test_suite(name, tmp_path):
    suite = SUITES[name]
    folder = os.environ.get(CHECKOUTS_VARIABLE)
    if not folder:
        pytest.skip(f"{CHECKOUTS_VARIABLE} names no folder with the sources of others")
    checkout = Path(folder).resolve() / suite.checkout
    for path in suite.paths:
        if not (checkout / path).is_file():
            pytest.skip(f"{checkout / path} is missing")
    for module in suite.needs:
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install -e '.[foreign]'")

    report = tmp_path / "report.xml"
    path = [HERE, *HERE.parents[:2], *(checkout / folder for folder in suite.search_path)]
    left_out = [argument for test in suite.left_out for argument in ("--deselect", test)]
    run = subprocess.run(
        [
            *(Path(sys.executable).with_name("pytest"), "-q", "-p", "replacement_plugin", "-p", "no:cacheprovider"),
            *("-c", os.devnull, "--rootdir", checkout, f"--junitxml={report}", "-k", suite.keyword, *left_out),
            *(checkout / path for path in suite.paths),
        ],
        cwd=checkout,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([*map(str, path), os.environ.get("PYTHONPATH", "")]),
            "PYTHONDONTWRITEBYTECODE": "1",
            SUITE_VARIABLE: name,
        },
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, f"{run.stdout[-6000:]}\n{run.stderr[-2000:]}"
    counts = ElementTree.parse(report).getroot().find("testsuite").attrib
    assert int(counts["tests"]) > int(counts["skipped"])
