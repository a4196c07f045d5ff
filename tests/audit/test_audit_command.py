"""tools/audit_labels.py on a tiny dataset."""

import csv
import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import truth_of, write_labels
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


def audit(*arguments):
    spec = importlib.util.spec_from_file_location("command_audit_labels", ROOT / "tools" / "audit_labels.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main([*map(str, arguments)])


def read_list(out):
    return list(csv.DictReader((out / "labels.csv").read_text().splitlines()))


def test_wrong_areas_come_first_and_are_corrected(config_file, fields, tmp_path, capsys):
    dropped_HW = truth_of(2)
    dropped_HW[dropped_HW == 2] = 0
    write_labels(fields, 2, dropped_HW)
    swapped_HW = truth_of(5)
    swapped_HW[swapped_HW == 2] = 1
    write_labels(fields, 5, swapped_HW)
    out = tmp_path / "out"
    assert audit(config_file, "--out", out) == 0
    shown = capsys.readouterr().out
    assert "8 images judged in 5 folds, 8 of them now" in shown
    rows = read_list(out)
    first = {(row["image"], row["kind"], row["class"], row["predicted"]) for row in rows[:2]}
    assert first == {
        ("images/2.png", "missing object", "field", "house"),
        ("images/5.png", "wrong class", "lake", "house"),
    }
    print(rows[:6])
