from mmseg_ext.engine.result_table import result_table


def test_result_table_shows_best_beside_last_only_where_they_differ():
    last = {"aAcc": 50.0, "mIoU": 40.0, "mAcc": 45.0, "IoU.a": 30.0, "Acc.a": 35.0, "IoU.b": 50.0, "Acc.b": 55.0}
    best = {**last, "mIoU": 60.0}
    both = result_table(last, 200, best, 100)
    assert [c.header for c in both.columns] == ["class", "IoU best, at 100", "Acc", "IoU last, at 200", "Acc"]
    assert [str(cell) for cell in both.columns[1].cells] == ["30.00", "50.00", "60.00", ""]
    assert len(result_table(last, 200, last, 200).columns) == 3
    assert [str(cell) for cell in result_table(last).columns[0].cells] == ["a", "b", "mean", "all pixels"]


def test_a_prefix_is_left_out():
    scores = {"seg/aAcc": 50.0, "seg/mIoU": 40.0, "seg/mAcc": 45.0, "seg/IoU.a": 30.0, "seg/Acc.a": 35.0}
    assert [str(cell) for cell in result_table(scores).columns[1].cells] == ["30.00", "40.00", ""]
    assert [str(cell) for cell in result_table({**scores, "mIoU": 60.0}).columns[1].cells] == ["60.00", ""]
