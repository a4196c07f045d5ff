import torch

from mmseg_ext.engine.run_summary import count_parameters, describe_model


def test_parameters_are_counted_and_the_parts_named():
    model = torch.nn.Module()
    model.backbone = torch.nn.Linear(300, 200)
    model.neck = None
    model.decode_head = torch.nn.Conv2d(2, 10_000, 1).requires_grad_(False)
    assert count_parameters(model) == (60_200 + 30_000, 60_200)
    assert describe_model(model) == "Linear → Conv2d, 0.09 M parameters, 0.06 M trained"
