"""Completed labels on disk: what is read is what was written, and nothing of another origin is replaced."""

import numpy as np
import pytest
from PIL import Image

from mmseg_ext.errors import UserError
from mmseg_ext.points.completed_labels import completed_paths, is_completed, made_from, read_completed, write_completed

NAME = "tile_1/images/a.jpg"
RNG = np.random.default_rng(0)
LABELS, CONFIDENCE = RNG.integers(0, 5, (6, 8), dtype=np.uint8), RNG.integers(0, 256, (6, 8), dtype=np.uint8)


def test_what_is_read_is_what_was_written(tmp_path):
    assert not is_completed(tmp_path, NAME, "abc")
    write_completed(tmp_path, NAME, LABELS, CONFIDENCE, "abc")
    labels_HW, confidence_HW = read_completed(tmp_path, NAME)
    assert (labels_HW == LABELS).all()
    assert (confidence_HW == CONFIDENCE).all()
    assert read_completed(tmp_path, NAME, with_confidence=False)[1] is None
    paths = [tmp_path / folder / "tile_1/images/a.png" for folder in ("labels", "confidence")]
    assert list(completed_paths(tmp_path, NAME)) == paths
    assert [np.array(Image.open(path)).tolist() for path in paths] == [LABELS.tolist(), CONFIDENCE.tolist()]
    assert is_completed(tmp_path, NAME, "abc")
    assert not is_completed(tmp_path, NAME, "abd")


def test_after_an_interruption_an_image_is_completed_again(tmp_path):
    write_completed(tmp_path, NAME, LABELS, CONFIDENCE, "abc")
    completed_paths(tmp_path, NAME)[0].unlink()
    assert not is_completed(tmp_path, NAME, "abc")


@pytest.mark.parametrize("content", [b"", b"notes", None])
def test_a_file_of_another_origin_is_refused(tmp_path, content):
    path = completed_paths(tmp_path, NAME)[1]
    path.parent.mkdir(parents=True)
    if content is None:
        Image.fromarray(LABELS).save(path)
    else:
        path.write_bytes(content)
    assert made_from(path) is None
    with pytest.raises(UserError, match=r"or one that tools/complete_labels\.py wrote, found another"):
        is_completed(tmp_path, NAME, "abc")


def test_a_damaged_file_is_named(tmp_path):
    write_completed(tmp_path, NAME, LABELS, CONFIDENCE, "abc")
    labels, confidence = completed_paths(tmp_path, NAME)
    confidence.write_bytes(confidence.read_bytes()[:60])
    with pytest.raises(UserError, match=r"Cannot read the completed labels .*confidence.*complete_labels\.py CONFIG"):
        read_completed(tmp_path, NAME)
    Image.fromarray(np.zeros((6, 9), np.uint8)).save(confidence)
    with pytest.raises(UserError, match=r"Expected completed labels in .*confidence.*, got something else"):
        read_completed(tmp_path, NAME)
    labels.unlink()
    with pytest.raises(UserError, match=r"Cannot read the completed labels .*labels"):
        read_completed(tmp_path, NAME)


def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="Expected a name below"):
        completed_paths(tmp_path, "../../a.jpg")
