"""Where a dataset looks for its completed labels, and when they count as made from something else."""

import json
import os

import pytest

from mmseg_ext.datasets import DubaiAerialDataset
from mmseg_ext.errors import UserError
from mmseg_ext.points.completed_labels import RECORD

PIPELINE = [
    {"type": "mmseg_ext.LoadImageFromFile"},
    {"type": "mmseg_ext.LoadColorAnnotations", "palette": ["#3C1098", "#8429F6"], "unknown": "ignore"},
    {"type": "mmseg_ext.RandomCrop", "crop_size": 4},
    {"type": "mmseg_ext.PackSegInputs"},
]
LABELS = {"num_points": 2, "complete": True}

pytestmark = pytest.mark.usefixtures("mmseg_scope")


@pytest.fixture
def build(small_dubai_root, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def build_dataset(labels=LABELS, pipeline=PIPELINE, **settings):
        return DubaiAerialDataset(str(small_dubai_root), labels=labels, pipeline=pipeline, **settings)

    return build_dataset


def record(request, **changes):
    request.folder.mkdir(parents=True, exist_ok=True)
    content = {"settings": request.settings, "files": request.stamps(), "model": "m", **changes}
    (request.folder / RECORD).write_text(json.dumps(content))


def test_without_completed_labels_the_command_is_named(build):
    for index in (0, 3):
        with pytest.raises(
            UserError, match=r"found none\. Complete them with: python tools/complete_labels\.py CONFIG"
        ):
            build()[index]


def test_labels_of_the_same_request_are_found(build):
    request = build().completion_request
    record(request)
    assert build().get_data_info(1)["completed_labels"] == str(request.folder)
    assert request.is_met_by(request.folder, "m")
    assert not request.is_met_by(request.folder, "another model")


@pytest.mark.parametrize(
    ("labels", "settings", "is_same"),
    [
        ({"num_points": 2, "complete": {"min_confidence": 0.5, "weigh": True}}, {}, True),
        (LABELS, {"pipeline": [*PIPELINE[:2], PIPELINE[-1]]}, True),
        ({"num_points": 3, "complete": True}, {}, False),
        ({"num_points": 2, "seed": 1, "complete": True}, {}, False),
        ({"num_points": 2, "complete": {"scale": (64, 64)}}, {}, False),
        (LABELS, {"fold": 1}, False),
        (LABELS, {"pipeline": [PIPELINE[0], {**PIPELINE[1], "palette": ["#8429F6", "#3C1098"]}, PIPELINE[-1]]}, False),
    ],
)
def test_what_another_request_is(build, labels, settings, is_same):
    assert (build(labels, **settings).completion_request.folder == build().completion_request.folder) is is_same


@pytest.mark.parametrize("folder", ["images", "masks"])
def test_of_a_changed_file_the_labels_are_stale(build, small_dubai_root, folder):
    request = build().completion_request
    record(request)
    path = next(path for path in request.files if f"/{folder}/" in path)
    os.utime(path, ns=(1, 1))
    with pytest.raises(UserError, match="found those of files that have changed since"):
        build()[0]


def test_a_record_that_is_damaged_counts_as_none(build):
    request = build().completion_request
    for content in ("", "[]", '{"settings": 3}'):
        request.folder.mkdir(parents=True, exist_ok=True)
        (request.folder / RECORD).write_text(content)
        assert not request.is_met_by(request.folder)


def test_a_dataset_without_completion_has_no_request(build):
    with pytest.raises(UserError, match="got labels without it"):
        build({"num_points": 2}).completion_request  # noqa: B018
