"""Files of points as people have them, and names that nobody means to give."""

import csv
import io
import random

import pytest

from mmseg_ext.errors import UserError
from mmseg_ext.points.point_files import Point, check_target, read_points, write_points

EXPECTED = [Point("tile 1/a.png", 431, 5, "Gebäude", 2), Point("b.png", 7, 0, "1.0", 3)]
HOSTILE = [
    "#1",
    "a",
    " ",
    "\u2028",
    "\x0b",
    "\x85",
    "\n",
    "\r",
    ",",
    ";",
    '"',
    "'",
    "=cmd()",
    "-",
    "[/b]",
    "\x1b[31m",
    "\\",
    "/",
    "./",
]


def save(tmp_path, text, encoding="utf-8", name="p.csv"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("text", "encoding", "notes"),
    [
        ("image,x,y,class\ntile 1/a.png,431.5,5,Gebäude\nb.png,7,0.25,1.0\n", "utf-8", []),
        ('image,x,y,class\ntile 1/a.png,"431,5",5,Gebäude\nb.png,7,0,1.0\n', "utf-8", ["decimal commas as in 431,5"]),
        (
            "image;x;y;class\r\ntile 1\\a.png;431,5;5;Gebäude\r\nb.png;7;0,250;1.0\r\n",
            "cp1252",
            [
                "in Windows-1252 (Latin-1)",
                "separated by semicolons",
                "decimal commas as in 431,5",
                "backslashes in paths as slashes",
            ],
        ),
        (
            "image\tx\ty\tclass\r\ntile 1/a.png\t431\t5\tGebäude\r\nb.png\t7\t0\t1.0",
            "utf-16",
            ["in UTF-16", "separated by tabs"],
        ),
        ("image,x,y,class,,\ntile 1/a.png,431,5,Gebäude,,\nb.png,7,0,1.0,,\n", "utf-8", []),
        ("image,x,y,class\rtile 1/a.png,431,5,Gebäude\rb.png,7,0,1.0\r", "utf-8", []),
    ],
)
def test_files_of_spreadsheets(tmp_path, text, encoding, notes):
    file = read_points(save(tmp_path, text, encoding))
    assert file.points == EXPECTED
    assert file.notes == notes


def test_a_file_of_ours_that_a_spreadsheet_saved_again(tmp_path):
    text = 'sep=;\n# seed: 3;;;\n"# budget: 2 per image, uniform";;;\nimage;x;y;class\n# a word;;;\n\na.png;1;2;road\n'
    file = read_points(save(tmp_path, text))
    assert file.points == [Point("a.png", 1, 2, "road", 7)]
    assert file.about == {"seed": "3", "budget": "2 per image, uniform"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "image,x,y,class\na.png,431,5,2,2,land\n",
            "line 2: expected 4 columns, got 6: a.png,431,5,2,2,land. .*431.5 for",
        ),
        (
            "image;x;y;class\na.png;1;2;road;more\n",
            "line 2: expected 4 columns, got 5: .*Name the columns in the header",
        ),
        (
            "image;x;y;class\na.png;1,234;2;road\n",
            "line 2: expected `x` .* got '1,234', which may be two. Write 1.234 or 1234",
        ),
        (
            "image,x,y,class\n#1.png,3,4,road\n",
            "line 2: expected a comment or a point, got #1.png,3,4,road, .*Write ./ before",
        ),
        (
            "a.png,1,2,road\n",
            r"line 1: expected a header with image, x, y, class, got a\.png,1,2,road\. Write image,x,y",
        ),
        (f"{'i' * 140_000},x,y,class\n", "line 1: expected a header with image, x, y, class, got iii"),
        ("image,x,x,y,class\na.png,1,1,2,road\n", "line 1: expected a header .* each of them once"),
        (f"image,x,y,class\na.png,1,2,{'r' * 131_073}\n", "line 2: expected cells of at most 131,072 characters"),
        ('image,x,y,class\na.png,1,2,"road\nb.png,1,2,road\n', "line 2: .* closing quotation mark, got unexpected end"),
        (f"image,x,y,class\na.png,{'9' * 400},2,road\n", "line 2: expected `x` to be a number of pixels, got '999"),
        ("image,x,y,class\na.png,1_0,2,road\n", "line 2: expected `x` to be a number of pixels, got '1_0'"),
    ],
)
def test_what_is_not_certain_is_refused(tmp_path, text, message):
    with pytest.raises(UserError, match=message) as caught:
        read_points(save(tmp_path, text))
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


@pytest.mark.parametrize(
    "line",
    [
        "[" * 200_000,
        '{"image": "a", "x": ' + "9" * 5000 + ', "y": 0, "class": 0}',
        '{"image": "a", "x": 1' + "0" * 400 + ', "y": 0, "class": 0}',
    ],
)
def test_json_lines_beyond_measure(tmp_path, line):
    with pytest.raises(UserError, match="line 1: expected ") as caught:
        read_points(save(tmp_path, line + "\n", name="p.jsonl"))
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


def test_a_whole_number_may_be_a_float_in_json(tmp_path):
    path = save(tmp_path, '{"image": "a", "x": 1.0, "y": 2, "class": 3.0}\n', name="p.jsonl")
    assert read_points(path).points == [Point("a", 1, 2, 3, 1)]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_what_is_written_is_read_to_the_letter(tmp_path, suffix):
    rng = random.Random(0)
    names = ["".join(rng.choices(HOSTILE, k=rng.randint(1, 5))) + ".png" for _ in range(300)]
    names = [*(f"{sign}.png" for sign in HOSTILE), *names]
    points = [Point(name, i, 2 * i, f"{rng.choice(HOSTILE)}x") for i, name in enumerate(names)]
    path = tmp_path / f"points.{suffix}"
    digest = write_points(path, points, {"config": "a\nb\x1b[31m.py"})
    file = read_points(path)
    assert [p._replace(line=0) for p in file.points] == points
    assert (file.about["sha256"], file.notes) == (digest, ["separated by tabs"] if suffix == "tsv" else [])
    if suffix == "csv":
        cells = [cell for row in csv.reader(io.StringIO(path.read_text(), newline="")) for cell in row]
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
        assert "\x1b[31m.py" not in path.read_text()


def test_names_that_are_not_in_utf_8(tmp_path):
    points = [Point("caf\udce9\u2028.png", 1, 2, "road")]
    write_points(tmp_path / "p.jsonl", points)
    assert [p._replace(line=0) for p in read_points(tmp_path / "p.jsonl").points] == points
    with pytest.raises(UserError, match=r"Expected names in UTF-8 for .*p\.csv, got .*udce9.* JSON Lines"):
        write_points(tmp_path / "p.csv", points)
    assert not (tmp_path / "p.csv").exists()


def test_only_files_of_the_same_command_are_replaced(tmp_path):
    path = tmp_path / "p.csv"
    check_target(path, "tools/a.py")
    write_points(path, EXPECTED, {"written by": "mmseg_ext, tools/a.py"})
    check_target(path, "tools/a.py")
    with pytest.raises(UserError, match=r"tools/b\.py wrote and nobody changed"):
        check_target(path, "tools/b.py")
    path.write_text(path.read_text().replace("431", "432"))
    with pytest.raises(UserError, match="nobody changed"):
        check_target(path, "tools/a.py")
    path.write_text("image,x,y,class\n# written by: tools/a.py\na.png,1,2,0\n")
    with pytest.raises(UserError, match="nobody changed"):
        check_target(path, "tools/a.py")
    with pytest.raises(UserError, match="end in"):
        check_target(tmp_path / "p.txt", "tools/a.py")
