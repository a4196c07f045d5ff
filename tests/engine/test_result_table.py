from mmseg_ext.engine.result_table import result_table


def test_result_table_shows_best_beside_last_only_where_they_differ():
    last = {"aAcc": 50.0, "mIoU": 40.0, "mAcc": 45.0, "IoU.a": 30.0, "Acc.a": 35.0, "IoU.b": 50.0, "Acc.b": 55.0}
    best = {**last, "mIoU": 60.0}
    both = result_table(last, 200, best, 100)
    assert [c.header for c in both.columns] == ["class", "IoU best, at 100", "Acc", "IoU last, at 200", "Acc"]
    assert list(both.columns[1].cells) == ["30.00", "50.00", "60.00", ""]
    assert len(result_table(last, 200, last, 200).columns) == 3
    assert [str(cell) for cell in result_table(last).columns[0].cells] == ["a", "b", "mean", "all pixels"]
