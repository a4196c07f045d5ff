"""Files with flipped, lost and added bytes are read or refused; nothing else happens."""

import json
import random

import pytest

from mmseg_ext.errors import UserError
from mmseg_ext.points.areas import format_areas, read_areas
from mmseg_ext.points.point_files import Point, read_points, write_points
from mmseg_ext.statistics.class_weights import read_class_weights
from mmseg_ext.statistics.dataset_statistics import read_statistics

POINTS = [Point(f"a{i}/\u00e9 #{i}.png", i, 3 * i, "ro,ad" if i % 2 else 3) for i in range(6)]
VALUES = ["[" * 100_000, "9" * 5000, "1" + "0" * 400, "-1", "NaN", "null", '"x"', "[]", "{}", "true", "1.5"]


def spoiled(content, rng):
    """Flip, remove, add or repeat some bytes."""
    content = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        place, kind = rng.randrange(len(content)), rng.randrange(4)
        if kind == 0:
            content[place] = rng.randrange(256)
        elif kind == 1:
            del content[place : place + rng.randint(1, 20)]
        elif kind == 2:
            content[place:place] = rng.choice(
                [b'"', b"\n", b"\r", b"\0", b"#", b",", b";", b"\t", b"\xff\xfe", b"'", b"[", b"="]
            )
        else:
            content[place:place] = content[place : place + 30]
        if not content:
            return b""
    return bytes(content)


@pytest.mark.parametrize("name", ["p.csv", "p.tsv", "p.jsonl"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_points(tmp_path, name, encoding):
    rng = random.Random(0)
    path = tmp_path / name
    write_points(path, POINTS)
    text = path.read_text(encoding="utf-8")
    for content in (text, text.partition("\n")[2]):  # with its hash and without
        content = content.encode(encoding)
        messages = []
        for _ in range(300):
            path.write_bytes(spoiled(content, rng))
            try:
                found = read_points(path).points
            except UserError as error:
                messages.append(str(error))
            else:
                assert all(abs(p.x) < 1e9 > abs(p.y) and isinstance(p.x, int) and p.image for p in found)
        assert len(messages) > 50
        assert all(str(path) in text and len(text) < 500 + len(str(path)) for text in messages)


@pytest.mark.parametrize("where", ["classes", "images", "row", "cell", "format", "weights"])
@pytest.mark.parametrize("value", VALUES)
def test_records(tmp_path, where, value):
    path = tmp_path / "record.json"
    mark = "VALUE"
    record = {
        "format": 1,
        "classes": ["a", "b"],
        "images": {"x": [0.5, 0.5]},
        "weights": {"median_frequency": [1.0, 1.0]},
    }
    if where == "row":
        record["images"]["x"] = mark
    elif where == "cell":
        record["images"]["x"][0] = mark
    elif where == "weights":
        record["weights"]["median_frequency"][0] = mark
    else:
        record[where] = mark
    path.write_text(json.dumps(record).replace(f'"{mark}"', value))
    messages = []
    for read in (read_areas, read_statistics, lambda path: read_class_weights(f"{path}:median_frequency")):
        try:
            read(path)
        except UserError as error:
            messages.append(str(error))
    assert all(str(path) in text for text in messages)


def test_bytes_of_records(tmp_path):
    rng = random.Random(0)
    path = tmp_path / "areas.json"
    content = format_areas({"a.png": [0.25, 0.75], "b.png": [1.0, 0.0]}, ["x", "y"], {"n": 1}).encode()
    messages = []
    for _ in range(500):
        path.write_bytes(spoiled(content, rng))
        try:
            assert all(areas.ndim == 1 for areas in read_areas(path).values())
        except UserError as error:
            messages.append(str(error))
    assert len(messages) > 100
    assert all(str(path) in text for text in messages)
