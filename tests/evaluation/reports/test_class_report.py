import numpy as np
from mmengine.logging import MMLogger

from mmseg_ext.evaluation.reports.class_report import log_class_scores


def test_the_log_holds_the_table_and_the_classes_left_out(tmp_path):
    MMLogger.get_instance(tmp_path.name, log_file=str(tmp_path / "run.log"))
    log_class_scores(np.array([[2000, 0, 0], [2000, 0, 0], [0, 0, 0]]), ("land", "water", "road"))
    log = (tmp_path / "run.log").read_text()
    rows = [line.split() for line in log.splitlines()]
    assert ["class", "IoU", "Acc", "labelled", "pixels"] in rows
    assert ["land", "50.00", "100.00", "2,000"] in rows
    assert ["water", "0.00", "0.00", "2,000"] in rows
    assert ["road", "nan", "nan", "0"] in rows
    assert "Left out of the means, absent from truth and prediction: road\n" in log
    log_class_scores(np.eye(2, dtype=np.int64), ("land", "water"))
    assert (tmp_path / "run.log").read_text().count("Left out") == 1
