from mmengine.logging import MessageHub

from mmseg_ext.engine.best_score import best_score, update_best_score


def test_the_highest_score_is_kept_and_nan_never(tmp_path):
    hub = MessageHub.get_instance(tmp_path.name)
    assert best_score(hub) is None
    found = []
    for iteration, score in enumerate((None, float("nan"), 40.0, float("nan"), 60.0, 60.0, 50.0)):
        metrics = {"aAcc": 1, "path": "a.json"} | ({} if score is None else {"mIoU": score})
        best = update_best_score(hub, metrics, "mIoU", iteration)
        assert best == best_score(hub)
        found.append(best and (best["iteration"], best["score"]))
    assert found == [None, None, (2, 40.0), (2, 40.0), (4, 60.0), (4, 60.0), (4, 60.0)]
    assert best_score(hub)["metrics"] == {"aAcc": 1.0, "mIoU": 60.0}
