from mmseg_ext.engine.config_reading import pipeline_of


def test_pipelines_are_found_inside_wrappers():
    steps = [{"type": "LoadImageFromFile"}, {"type": "mmseg_ext.SamplePoints", "num_points": 3}]
    plain = {"type": "A", "pipeline": steps}
    assert pipeline_of(plain) == steps
    assert pipeline_of({"type": "RepeatDataset", "dataset": {"type": "B", "dataset": plain}}) == steps
    assert pipeline_of({"type": "ConcatDataset", "datasets": [plain, {"type": "A", "pipeline": []}]}) == steps
    assert pipeline_of({"type": "A"}) == []
