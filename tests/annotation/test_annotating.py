"""The command: its options, what it writes, and what it refuses."""

import socket

import numpy as np
import pytest
from mmengine.config import Config
from served import make_images

from mmseg_ext.annotation.annotating import address_of, bind, import_points, parse_classes
from mmseg_ext.annotation.annotation_files import AnnotationFiles
from mmseg_ext.annotation.image_folder import ImageFolder
from mmseg_ext.annotation.live_model import model_config
from mmseg_ext.annotation.point_database import PointDatabase
from mmseg_ext.engine.fitting import fit
from mmseg_ext.engine.launch import load_config
from mmseg_ext.errors import UserError
from mmseg_ext.points.point_files import Point, read_points, write_points
from tools.annotate import main

COLORS = ["#e6194b", "#3cb44b"]
CLASSES = ["land", 'wa"ter {{{ fileBasename }}']


@pytest.fixture
def session(tmp_path):
    folder = ImageFolder(make_images(tmp_path / "images", 8, (48, 64)))
    database = PointDatabase(tmp_path / "out" / "points.sqlite", CLASSES)
    files = AnnotationFiles(
        tmp_path / "out" / "points.csv", folder, database, COLORS, lambda: model_config("trees"), (64, 48)
    )
    yield folder, database, files
    database.close()


def click(folder, database):
    for name in folder.names:
        for y in (5, 25, 40):
            database.add(name, 10, y, 0)
            database.add(name, 50, y, 1)


def test_points_are_written_as_the_package_reads_them(session):
    folder, database, files = session
    files.start()
    click(folder, database)
    files.notice_change()
    files.stop()
    found = read_points(files.points_file)
    assert len(found.points) == 48
    assert found.points[0] == Point("below/image_1.png", 10, 5, "land", found.points[0].line)
    assert found.about["written by"].endswith("tools/annotate.py")


def test_the_training_config_trains_as_it_is(session, tmp_path, monkeypatch):
    folder, database, files = session
    click(folder, database)
    answer = files.write_training_config()
    assert answer["command"] == f"python tools/fit.py {files.config_file}"
    monkeypatch.chdir(tmp_path)
    config = load_config(str(files.config_file), work_dir=str(tmp_path / "run"))
    assert config.train_dataloader.dataset.classes == CLASSES
    assert config.model.decode_head.class_weight == "balanced"
    config.train_dataloader.update(num_workers=0, persistent_workers=False)
    config.val_dataloader.update(num_workers=0, persistent_workers=False)
    assert fit(config).num_points == 6 * 6  # four fifths of eight images
    scores = [path.read_text() for path in (tmp_path / "run").rglob("scalars.json")]
    assert any('"mIoU": 100.0' in text for text in scores)


def test_a_config_of_somebody_else_is_kept(session):
    folder, database, files = session
    with pytest.raises(UserError, match="Expected points of two classes"):
        files.write_training_config()
    click(folder, database)
    files.write_training_config()
    files.write_training_config()
    assert Config.fromfile(files.config_file).model.decode_head.num_classes == 2
    files.config_file.write_text("mine = 1\n")
    with pytest.raises(UserError, match="Expected no file at"):
        files.write_training_config()


def test_imported_points(session, tmp_path):
    folder, database, _ = session
    pytest.importorskip("mmseg_ext.points.foreign_formats")
    write_points(tmp_path / "a.csv", [Point("image_0.png", 3, 4, "land"), Point("image_2.png", 1, 2, "1")])
    assert import_points([], folder, database) == []
    (line,) = import_points([tmp_path / "a.csv"], folder, database)
    assert line.endswith("a.csv: 2 points")
    assert [(p.image, p.x, p.y, p.label) for p in database.points_since()] == [
        ("image_0.png", 3, 4, 0),
        ("image_2.png", 1, 2, 1),
    ]
    write_points(tmp_path / "b.csv", [Point("image_0.png", 3, 4, "lava")])
    with pytest.raises(UserError, match="lava"):
        import_points([tmp_path / "b.csv"], folder, database)


def test_classes_with_colours():
    found = parse_classes(["land", "a=b=#00FF0A", "c=#12345"])
    assert found == {"land": "#e6194b", "a=b": "#00ff0a", "c=#12345": "#4363d8"}
    many = parse_classes([f"class {n}" for n in range(60)])
    assert len(set(many.values())) == 60
    assert all(np.char.isalnum(color[1:]) and len(color) == 7 for color in many.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--classes", "land"], "Expected 2 to 255 names after --classes, got 1"),
        (["--classes", "land", "land"], "Expected each class of --classes once"),
        (["--classes", "land", " "], "Expected each class of --classes once and with a name"),
        (["--classes", "a", "b", "--out", "points.txt"], "Expected a file of points to end in .csv"),
        (["--classes", "a", "b", "--port", "99999"], "Cannot listen at 127.0.0.1, port 99999"),
        (["--classes", "a", "b", "--host", "no.such.host.invalid"], "Cannot listen at no.such.host.invalid"),
        (["--classes", "a", "b", "--scale", "0", "5"], "Expected two numbers of pixels for --scale, got 0 5"),
        (["--classes", "a", "b", "--cache-gb", "0"], "Expected --cache-gb above 0, got 0.0"),
        (["--classes", "a", "b", "--out", "taken.csv"], "Expected no file at taken.csv"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys, options, message):
    make_images(tmp_path / "images", 1)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.csv").write_text("image,x,y,class\nimages/image_0.png,1,1,a\n")
    assert main(["images", "--no-browser", "--port", "0", *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}")
    assert error.count("\n") == 1


def test_an_address_of_the_sixth_version():
    try:
        with bind("::1", 0) as listener:
            assert address_of("::1", listener.getsockname()[1]).startswith("http://[::1]:")
    except UserError as error:
        pytest.skip(f"no IPv6 here: {error}")


def test_bad_folders(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "none").mkdir()
    for folder, message in (("missing", "Expected a folder of images"), ("none", "Expected images (.jpg")):
        assert main([folder, "--classes", "a", "b"]) == 2
        assert capsys.readouterr().err.startswith(f"error: {message}")
    assert list(tmp_path.iterdir()) == [tmp_path / "none"]


def test_a_taken_port(tmp_path, monkeypatch, capsys):
    make_images(tmp_path / "images", 1)
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["images", "--classes", "a", "b", "--no-browser", "--port", str(port)]) == 2
    assert f"Cannot listen at 127.0.0.1, port {port}" in capsys.readouterr().err
