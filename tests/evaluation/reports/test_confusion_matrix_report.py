import json

import numpy as np
import pytest
from PIL import Image

from mmseg_ext.evaluation.reports import confusion_matrix_report
from mmseg_ext.evaluation.reports.confusion_matrix_report import write_confusion_matrix

CLASSES = ("land", "water")
CONFUSION_CC = np.array([[3, 1], [2, 2**40]])


@pytest.mark.parametrize(("iteration", "boundary"), [(None, None), (1000, np.array([[1, 2], [3, 4]]))])
def test_three_files_hold_the_matrix(tmp_path, iteration, boundary):
    path = tmp_path / "log" / "matrix.json"
    write_confusion_matrix(path, CONFUSION_CC, CLASSES, iteration, boundary)
    assert sorted(p.name for p in path.parent.iterdir()) == ["matrix.json", "matrix.npz", "matrix.png"]
    record = {"classes": list(CLASSES), "iteration": iteration, "matrix": CONFUSION_CC.tolist()}
    assert json.loads(path.read_text()) == record
    with np.load(path.with_suffix(".npz")) as arrays:
        assert arrays["matrix"].dtype == np.int64
        np.testing.assert_array_equal(arrays["matrix"], CONFUSION_CC)
        assert arrays["classes"].tolist() == list(CLASSES)
        if iteration is None:
            assert sorted(arrays) == ["classes", "matrix"]
        else:
            assert int(arrays["iteration"]) == iteration
            np.testing.assert_array_equal(arrays["boundary"], boundary)
    with Image.open(path.with_suffix(".png")) as picture:
        assert min(picture.size) > 200


def test_the_title_says_the_score_and_when(tmp_path, monkeypatch):
    titles = []
    monkeypatch.setattr(confusion_matrix_report, "draw_confusion_matrix", lambda *args: titles.append(args[2]) or b"")
    write_confusion_matrix(tmp_path / "a.json", np.array([[1, 1], [0, 2]]), CLASSES)
    write_confusion_matrix(tmp_path / "a.json", np.array([[1, 1], [0, 2]]), CLASSES, 4000)
    assert titles == ["mIoU 58.33", "mIoU 58.33 after 4,000 iterations"]
