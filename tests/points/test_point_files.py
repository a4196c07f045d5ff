"""Files of points: what is written is read, and what is wrong is named with file and line."""

import json
import re

import pytest

from mmseg_ext.errors import UserError
from mmseg_ext.points.point_files import Point, hash_points, read_points, write_points

POINTS = [
    Point("tile_1/a.png", 3, 0, "road"),
    Point("tile_1/a.png", 0, 7, 4),
    Point('städte/"b", 2.png', 12, 5, "bare land, dry"),
]


def without_lines(points):
    return [p._replace(line=0) for p in points]


@pytest.mark.parametrize("name", ["points.csv", "points.jsonl", "deep/er/points.CSV"])
def test_what_is_written_is_read(tmp_path, name):
    path = tmp_path / name
    digest = write_points(path, POINTS, {"seed": 3, "budget": "2 per image"})
    file = read_points(path)
    expected = [p._replace(label=str(p.label)) for p in POINTS] if name.lower().endswith("csv") else POINTS
    assert without_lines(file.points) == expected
    assert {key: str(value) for key, value in file.about.items()} == {
        "seed": "3",
        "budget": "2 per image",
        "sha256": digest,
    }
    for point in file.points:
        assert str(point.x) in path.read_text().split("\n")[point.line - 1]


def test_the_hash_is_of_the_points_alone(tmp_path):
    digests = {write_points(tmp_path / f"p{i}.{kind}", POINTS, {"n": i}) for i, kind in enumerate(["csv", "jsonl"])}
    digests |= {hash_points(reversed(POINTS)), hash_points(p._replace(line=9) for p in POINTS)}
    assert digests == {hash_points(POINTS)}
    for change in ({"x": 4}, {"y": 1}, {"label": "water"}, {"image": "c.png"}):
        assert hash_points([POINTS[0]._replace(**change), *POINTS[1:]]) != hash_points(POINTS)
    assert hash_points(POINTS[1:]) != hash_points(POINTS)


def test_files_that_people_write(tmp_path):
    path = tmp_path / "p.csv"
    lines = [
        "\ufeff# clicked by hand",
        "Class, who,image ,y,x",
        "",
        "road,me,.\\a\\b.png,2.9,1",
        "1 ,you,./a/b.png, 0,3.0",
    ]
    path.write_bytes("\r\n".join(lines).encode())
    file = read_points(path)
    assert file.points == [Point("a/b.png", 1, 2, "road", 4), Point("a/b.png", 3, 0, "1", 5)]
    assert file.about == {}
    lines = tmp_path / "p.jsonl"
    lines.write_text('{"image": "a.png", "x": 1.5, "y": "2", "class": 0, "time": 3}\n\n{"about": {"seed": 1}}\n')
    file = read_points(lines)
    assert file.points == [Point("a.png", 1, 2, 0, 1)]
    assert file.about == {"seed": 1}


HEADER = "image,x,y,class\n"


@pytest.mark.parametrize(
    ("name", "text", "line", "part"),
    [
        ("p.csv", "", 1, "a header with image, x, y, class, got nothing"),
        ("p.csv", "# about: this\nimage;x;y;label\n", 2, "a header with image, x, y, class, got image;x;y;label"),
        ("p.csv", f"{HEADER}a.png,1,2\n", 2, "4 columns, got 3"),
        ("p.csv", f"{HEADER}a.png,1,2,0\n# a word\n\na.png,one,2,0\n", 5, "`x` to be a number of pixels, got 'one'"),
        ("p.csv", f"{HEADER}a.png,1,nan,0\n", 2, "`y` to be a number of pixels, got 'nan'"),
        ("p.csv", f"{HEADER} ,1,2,0\n", 2, "the path of an image"),
        ("p.csv", f"{HEADER}a.png,1,2, \n", 2, "`class` to be a name or an index, got ''"),
        ("p.jsonl", '{"image": "a", "x": 1, "y": 2, "class": 0}\n{"image": \n', 2, "a JSON object"),
        ("p.jsonl", "[1, 2]\n", 1, "a JSON object, got [1, 2]"),
        ("p.jsonl", '{"image": "a", "x": 1, "class": 0}\n', 1, "the keys image, x, y, class, got none named y"),
        ("p.jsonl", '{"image": "a", "x": true, "y": 2, "class": 0}\n', 1, "`x` to be a number of pixels, got True"),
        ("p.jsonl", '{"image": "a", "x": 1, "y": null, "class": 0}\n', 1, "`y` to be a number of pixels, got None"),
        ("p.jsonl", '{"image": "a", "x": 1, "y": 2, "class": 0.5}\n', 1, "`class` to be a name or an index, got 0.5"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, name, text, line, part):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UserError, match=re.escape(f"{path}, line {line}: expected ")) as caught:
        read_points(path)
    assert part in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match=r"Cannot read the points .*missing\.csv"):
        read_points(tmp_path / "missing.csv")
    (tmp_path / "p.csv").write_bytes(b"image,x,y,class\n\x81\xfe,1,2,0\n")
    with pytest.raises(UserError, match="text in UTF-8"):
        read_points(tmp_path / "p.csv")
    for act in (read_points, lambda path: write_points(path, POINTS)):
        with pytest.raises(UserError, match=r"end in \.csv, \.tsv, \.jsonl, \.ndjson, got .*p\.txt"):
            act(tmp_path / "p.txt")


@pytest.mark.parametrize("name", ["p.csv", "p.jsonl"])
def test_points_that_were_changed_are_noticed(tmp_path, name):
    path = tmp_path / name
    write_points(path, POINTS)
    changed = path.read_text().replace("12", "13")
    path.write_text(changed)
    with pytest.raises(UserError, match=r"they were changed\. Take the sha256 out"):
        read_points(path)
    lines = changed.split("\n")
    path.write_text("\n".join(lines[1:]))
    assert [p.x for p in read_points(path).points] == [3, 0, 13]


def test_json_lines_are_json(tmp_path):
    path = tmp_path / "p.jsonl"
    write_points(path, POINTS)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert rows[2] == {"image": "tile_1/a.png", "x": 0, "y": 7, "class": 4}
