"""Points of other programs: each format as that program writes it, names, units and what is wrong."""

import copy
import json

import numpy as np
import pytest
from made_frames import MadeFrames

from mmseg_ext.errors import UserError
from mmseg_ext.points.foreign_formats import read_points
from mmseg_ext.points.point_files import Point, write_points

FRAMES = MadeFrames({"a.jpg": (480, 640, 1), "deep/b ü.png": (720, 960, 1), "t/c.jpg": (640, 480, 6)})


def studio_result(x, y, label, kind="keypointlabels", **more):
    value = {"x": x, "y": y, "width": 0.4, "keypointlabels": [label]}
    return {"type": kind, "original_width": 640, "original_height": 480, "image_rotation": 0, "value": value, **more}


def studio_task(image, *results, **annotation):
    return {"id": 7, "data": {"image": image}, "annotations": [{"result": list(results), **annotation}]}


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def read(path, content, **options):
    return read_points(write(path, content), FRAMES, **options)


def test_label_studio_is_percent_of_the_image(tmp_path):
    tasks = [
        studio_task("/data/upload/3/0a1b2c3d-a.jpg", studio_result(50, 25, "road"), studio_result(100, 100, "road")),
        studio_task("/data/local-files/?d=deep%2Fb%20%C3%BC.png", studio_result(10, 10, "field")),
        studio_task("s3://bucket/x/t/c.jpg?sig=1", studio_result(0, 99.9, "field")),
        studio_task("a.jpg", studio_result(1, 1, "left out"), was_cancelled=True),
        studio_task("a.jpg", studio_result(1, 1, "box", kind="rectanglelabels")),
    ]
    file = read(tmp_path / "export.json", tasks)
    assert file.points == [
        Point("a.jpg", 320, 120, "road"),
        Point("a.jpg", 639, 479, "road"),
        Point("deep/b ü.png", 96, 72, "field"),
        Point("t/c.jpg", 0, 639, "field"),
    ]
    assert file.about == {"format": "label_studio"}
    assert file.notes == ["Left out, as they are no labelled points: 1 × cancelled annotation, 1 × rectanglelabels."]


def test_label_studio_min_and_two_tags(tmp_path):
    keypoint = {"x": 50, "y": 50, "width": 1, "keypointlabels": ["road"], "original_width": 640}
    box = {"x": 1, "y": 1, "width": 1, "height": 1, "rectanglelabels": ["car"]}
    file = read(tmp_path / "min.json", [{"id": 1, "image": "/d/1-a.jpg/a.jpg", "kp": [keypoint], "box": [box]}])
    assert file.points == [Point("a.jpg", 320, 240, "road")]
    assert file.notes == ["Left out, as they are no labelled points: 1 × rectanglelabels."]
    parts = [{"type": "labels", "value": {"x": 50, "y": 50, "width": 1, "labels": ["road"]}}]
    parts += [{"type": "keypoint", "value": {"x": 50, "y": 50, "width": 1}}]
    assert read(tmp_path / "two.json", [studio_task("a.jpg", *parts)]).points == [Point("a.jpg", 320, 240, "road")]


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><name>fields</name></task></meta>
  <image id="0" name="a.jpg" width="640" height="480">
    <points label="road" source="manual" occluded="0" points="320.00,120.90;640.00,0.00" z_order="0"></points>
    <box label="car" xtl="1" ytl="1" xbr="2" ybr="2"></box>
  </image>
  <image id="1" name="deep/b ü.png" width="960" height="720">
    <points label="field" points="959.99,719.99"><attribute name="sure">yes</attribute></points>
  </image>
</annotations>"""


def test_cvat(tmp_path):
    file = read(tmp_path / "annotations.xml", CVAT)
    assert file.points == [
        Point("a.jpg", 320, 120, "road"),
        Point("a.jpg", 639, 0, "road"),
        Point("deep/b ü.png", 959, 719, "field"),
    ]
    assert file.notes == ["Left out, as they are no labelled points: 1 × box."]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('<annotations><track id="0" label="a"/></annotations>', "'CVAT for images 1.1' in .*, got tracks of a video"),
        ("<svg/>", "got <svg>"),
        ("<annotations>", "Expected an XML file of CVAT, got .*no element found"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>', "declares a document type"),
        (CVAT.replace("320.00,120.90", "320.00"), "image a.jpg: expected points as x,y;x,y, got '320.00'"),
    ],
)
def test_xml_that_is_not_as_it_should_be(tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path / "bad.xml", content)


def labelme(image, *shapes):
    return {"version": "5.4.1", "flags": {}, "shapes": list(shapes), "imagePath": image, "imageData": None}


def shape(label, x, y, kind="point"):
    return {"label": label, "points": [[x, y]], "group_id": None, "shape_type": kind, "flags": {}}


def test_labelme_file_and_folder(tmp_path):
    one = labelme("..\\images\\a.jpg", shape("road", 3.7, 4.2), shape("car", 1, 1, "rectangle"))
    write(tmp_path / "a.json", one)
    (tmp_path / "more").mkdir()
    write(tmp_path / "more" / "b.json", labelme("b ü.png", shape("field", 959.5, 0)))
    write(tmp_path / "settings.json", {"other": 1})
    expected = [Point("a.jpg", 3, 4, "road")]
    assert read_points(tmp_path / "a.json", FRAMES).points == expected
    file = read_points(tmp_path, FRAMES)
    assert file.points == [*expected, Point("deep/b ü.png", 959, 0, "field")]
    assert file.notes == ["Left out, as they are no labelled points: 1 × rectangle."]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"Expected JSON files of labelme in the folder .*empty, found none"):
        read_points(tmp_path / "empty", FRAMES)


def test_coralnet(tmp_path):
    file = read(tmp_path / "c.csv", "Name,Row,Column,Label\na.jpg,479,0,Porit\na.jpg,0,639,CCA\na.jpg,1,1,\n")
    assert file.points == [Point("a.jpg", 0, 479, "Porit"), Point("a.jpg", 639, 0, "CCA")]
    assert file.notes == ["Left out, as they are no labelled points: 1 × point without a label."]
    newer = read(tmp_path / "n.csv", "Name;Date;Column;Row;Label code;Label ID\nc.jpg;2020;7;8;Off;12\n")
    assert newer.points == [Point("t/c.jpg", 7, 8, "Off")]


def test_napari_counts_from_the_middle_of_pixels(tmp_path):
    content = "index,axis-0,axis-1,class\n0,2.6,-0.4,road\n1,479.4,639.4,field\n"
    assert read(tmp_path / "a.csv", content).points == [Point("a.jpg", 0, 3, "road"), Point("a.jpg", 639, 479, "field")]
    by_name = read(tmp_path / "a_bare land.csv", "index,axis-0,axis-1\n0,2.0,3.0\n")
    assert by_name.points == [Point("a.jpg", 3, 2, "bare land")]
    stack = read(tmp_path / "road.csv", "index,axis-0,axis-1,axis-2\n0,1.0,5.0,6.0\n")
    assert stack.points == [Point("deep/b ü.png", 6, 5, "road")]
    assert stack.notes == ["axis-0 is taken as the number of the image, from 0 for a.jpg."]


def test_napari_ignores_the_exif_orientation(tmp_path):
    # 640 high and 480 wide as shown, turned clockwise: stored 480 high and 640 wide.
    content = "index,axis-0,axis-1,class\n0,0,0,road\n1,479,639,road\n2,100,7,road\n"
    points = read(tmp_path / "c.csv", content).points
    assert [(p.x, p.y) for p in points] == [(479, 0), (0, 639), (379, 7)]
    with pytest.raises(UserError, match=r"x in 0..479 and y in 0..639 inside t/c.jpg, got x=639, y=479. Are x and"):
        read(tmp_path / "c.csv", content, frame="shown")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("z.csv", "index,axis-0,axis-1\n0,1,1\n", "z.csv to be named after one of 3 images, 0 fit"),
        ("a.csv", "index,axis-0,axis-1\n0,1,1\n", "Expected the class of the points in .*a.csv, found no column"),
        ("r.csv", "index,axis-0,axis-1,axis-2\n0,3,1,1\n", "line 2: expected axis-0 to number one of 3 images, got 3"),
        ("a.csv", "index,axis-0,axis-1,class\n0,x,1,r\n", "line 2: expected `axis-0` to be a number, got 'x'"),
    ],
)
def test_napari_without_what_it_lacks(tmp_path, name, content, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path / name, content)


def test_own_files_are_checked_against_the_images(tmp_path):
    write_points(tmp_path / "p.csv", [Point("a.jpg", 3, 4, "road"), Point("b ü.png", 1, 2, 1)])
    file = read_points(tmp_path / "p.csv", FRAMES, classes=["road", "field"])
    assert file.points == [Point("a.jpg", 3, 4, "road"), Point("deep/b ü.png", 1, 2, "field")]
    with pytest.raises(UserError, match="line 3: expected a class, one of sea, got 'road'"):
        read_points(tmp_path / "p.csv", FRAMES, classes=["sea"])
    write(tmp_path / "q.csv", "image;x;y;class\n.\\a.jpg;1,5;2;road\n")
    assert read_points(tmp_path / "q.csv", FRAMES).notes == [
        "It is read separated by semicolons, decimal commas as in 1,5, backslashes in paths as slashes."
    ]


def test_units_that_look_wrong_are_said(tmp_path):
    percent = "".join(f"a.jpg,{y},{x},road\n" for x, y in ((10, 20), (90, 95), (50, 50), (33, 3)))
    file = read(tmp_path / "p.csv", f"Name,Row,Column,Label\n{percent}")
    assert file.notes == [
        "All points of a.jpg lie within 0..100, and it is 640 wide and 480 high. If they are percent, convert them to "
        "pixels."
    ]
    for row, column, hint in ((600, 100, "Are x and y exchanged"), (5341234, 412345, "Are these map coordinates")):
        with pytest.raises(UserError, match=f"line 2: expected x in 0..639 .* {hint}"):
            read(tmp_path / "p.csv", f"Name,Row,Column,Label\na.jpg,{row},{column},road\n")


def test_images_are_found_by_the_end_of_their_path(tmp_path):
    frames = MadeFrames({"x/1.jpg": (9, 9, 1), "y/1.jpg": (9, 9, 1), "2.JPG": (9, 9, 1)})
    path = write(tmp_path / "p.csv", "Name,Row,Column,Label\nC:\\old\\y\\1.jpg,1,2,a\n")
    assert read_points(path, frames).points == [Point("y/1.jpg", 2, 1, "a")]
    for name, message in (
        ("1.jpg", "expected an image, got '1.jpg': x/1.jpg, y/1.jpg"),
        ("2.jpg", "expected one of the 3 images; there is '2.JPG', got '2.jpg'"),
        ("3.jpg", "expected one of the 3 images, such as 'x/1.jpg', got '3.jpg'"),
    ):
        path = write(tmp_path / "p.csv", f"Name,Row,Column,Label\n{name},1,2,a\n")
        with pytest.raises(UserError, match=message):
            read_points(path, frames)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.json", "{", "Expected JSON in .*x.json, got a file that does not parse"),
        ("x.json", "[1]", "Expected JSON of geojson, labelme, label_studio in .*x.json, got none of it"),
        ("x.txt", "", "Expected points in a .csv, .tsv, .jsonl, .json, .geojson or .xml file, or a folder"),
        ("x.csv", "a,b\n", "expected a header with image, x, y, class, got a,b"),
        ("x.json", [studio_task("a.jpg", studio_result(1, 1, "a", image_rotation=90))], "not rotated, got 90°"),
        ("x.json", [studio_task("a.jpg", studio_result("?", 1, "a"))], "task 7: expected `x` to be a number"),
        ("x.json", [studio_task("a.jpg", studio_result(1, 1, ""))], "task 7: expected one label"),
        ("x.json", [studio_task(3, studio_result(1, 1, "a"))], "expected the address of its image in `data`"),
        ("x.json", labelme("a.jpg", {"label": "a"}), "shape 1: expected an object with `points`"),
    ],
)
def test_what_is_no_format_is_named(tmp_path, name, content, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path / name, content)
    assert not (tmp_path / "missing.csv").exists()
    with pytest.raises(UserError, match=r"Cannot read the points .*missing\.csv"):
        read_points(tmp_path / "missing.csv", FRAMES)


def nodes_of(tree, path=()):
    yield path
    for key in tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        yield from nodes_of(tree[key], (*path, key))


GEOJSON = {
    "type": "FeatureCollection",
    "crs": {"type": "name", "properties": {"name": "EPSG:4326"}},
    "features": [
        {"type": "Feature", "properties": {"class": "a"}, "geometry": {"type": "Point", "coordinates": [1, 2]}},
        {"type": "Feature", "properties": {"n": "a"}, "geometry": {"type": "MultiPoint", "coordinates": [[1, 2]]}},
    ],
}


@pytest.mark.parametrize("name", ["label_studio", "labelme", "geojson"])
def test_json_of_another_structure_is_one_error(tmp_path, name, monkeypatch):
    monkeypatch.setattr(FRAMES, "locate", lambda places, crs: [("a.jpg", x, y) for x, y in places])
    whole = {
        "label_studio": [studio_task("a.jpg", studio_result(50, 25, "road"))],
        "labelme": labelme("a.jpg", shape("road", 3, 4)),
        "geojson": GEOJSON,
    }[name]
    assert read(tmp_path / "x.json", whole).points
    replacements = [None, True, 7, -1e300, "x", "", [], {}, [[]], {"a": 1}]
    rng = np.random.default_rng(0)
    refused = 0
    for path in nodes_of(whole):
        for index in rng.permutation(len(replacements))[:5]:
            broken = copy.deepcopy(whole)
            if path:
                parent = broken
                for key in path[:-1]:
                    parent = parent[key]
                parent[path[-1]] = replacements[index]
            else:
                broken = replacements[index]
            try:
                read(tmp_path / "x.json", broken, format=name)
            except UserError:
                refused += 1
    assert refused > 20
