"""The training accuracy of one channel against counting by hand; of several channels it stays mmseg's."""

import mmseg.models.losses as mmseg_losses
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.models.decode_heads import FCNHead, decode_head
from mmseg.structures import SegDataSample

from mmseg_ext.stack.binary_accuracy import binary_accuracy, correct_binary_accuracy


@pytest.fixture
def corrected(monkeypatch):
    """The correction, taken back afterwards."""
    stock = mmseg_losses.accuracy
    for name, module in list(__import__("sys").modules.items()):
        if name.startswith("mmseg.") and getattr(module, "__dict__", {}).get("accuracy") is stock:
            monkeypatch.setattr(module, "accuracy", stock)
    correct_binary_accuracy()
    correct_binary_accuracy()


def head_and_batch(out_channels):
    torch.manual_seed(0)
    head = FCNHead(
        in_channels=3,
        channels=4,
        num_convs=1,
        num_classes=2,
        out_channels=out_channels,
        threshold=0.5,
        loss_decode={"type": "CrossEntropyLoss", "use_sigmoid": out_channels == 1},
    )
    labels = torch.randint(0, 2, (2, 1, 6, 5))
    labels[:, :, 0] = 255
    samples = []
    for label in labels:
        sample = SegDataSample()
        sample.gt_sem_seg = PixelData(data=label)
        samples.append(sample)
    return head, torch.randn(2, out_channels, 6, 5), samples, labels.squeeze(1)


def test_a_stock_head_of_one_channel_reports_the_share_of_right_pixels(corrected, mmseg_scope):
    head, logits, samples, labels = head_and_batch(1)
    found = head.loss_by_feat(logits, samples)["acc_seg"]
    labelled = labels != 255
    right = (logits.squeeze(1).sigmoid() > 0.5)[labelled] == (labels[labelled] == 1)
    assert found.item() == pytest.approx(100 * right.float().mean().item())
    assert found.shape == (1,)
    assert found.item() != pytest.approx(100 * (labels[labelled] == 0).float().mean().item())  # what stock says


def test_several_channels_stay_as_they_are(corrected, mmseg_scope):
    head, logits, samples, labels = head_and_batch(2)
    labelled = labels != 255
    right = (logits.argmax(1) == labels)[labelled]
    assert head.loss_by_feat(logits, samples)["acc_seg"].item() == pytest.approx(100 * right.float().mean().item())
    assert decode_head.accuracy(logits, labels.clamp(max=1), topk=(1, 2))[1].item() == pytest.approx(100)


def test_without_labels_the_accuracy_is_0():
    assert binary_accuracy(torch.ones(1, 1, 2, 2), torch.full((1, 2, 2), 255), 255).item() == 0
    assert binary_accuracy(torch.ones(1, 1, 2, 2), torch.ones(1, 2, 2)).item() == 100
