import pytest
import torch

from mmseg_ext.engine.run_summary import count_parameters, describe_labels, describe_model


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ([{"type": "LoadAnnotations"}], None),
        ([{"type": "mmseg_ext.SamplePoints", "num_points": 20}], "20 points per image"),
        (
            [
                {"type": "mmseg_ext.LoadPointAnnotations", "file": "a.csv"},
                {"type": "mmseg_ext.GrowPoints"},
                {"type": "mmseg_ext.WeighLabels", "areas": "a.json"},
            ],
            "points of a.csv, grown, weighed by a.json",
        ),
        (
            [{"type": "mmseg_ext.SamplePoints", "num_points": 1, "per": "class", "resample": True}],
            "1 points per class, resample True",
        ),
        ([{"type": "mmseg_ext.LoadPointAnnotations", "file": "points.csv"}], "points of points.csv"),
    ],
)
def test_labels_are_described(steps, text):
    assert describe_labels(steps) == text


def test_parameters_are_counted_and_the_parts_named():
    model = torch.nn.Module()
    model.backbone = torch.nn.Linear(300, 200)
    model.neck = None
    model.decode_head = torch.nn.Conv2d(2, 10_000, 1).requires_grad_(False)
    assert count_parameters(model) == (60_200 + 30_000, 60_200)
    assert describe_model(model) == "Linear → Conv2d, 0.09 M parameters, 0.06 M trained"
