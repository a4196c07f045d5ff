"""Images that two datasets share."""

from mmseg_ext.data_check import shared_images


def test_files_are_shared_by_path_or_by_content(tmp_path):
    contents = {
        "train/a": bytes(10_000),
        "train/b": b"b" * 10_000,
        "train/c": b"c" * 4_000 + bytes(6_000),
        "val/copy_of_b": b"b" * 10_000,
        "val/like_c_in_the_middle": b"d" * 2_000 + b"c" * 2_000 + bytes(6_000),
        "val/own": b"b" * 9_999,
    }
    for name, content in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    train = [str(tmp_path / f"train/{name}") for name in "abc"]
    val = [str(tmp_path / name) for name in contents if name.startswith("val")]
    through_parent = str(tmp_path / "val" / ".." / "train" / "a")
    assert shared_images(train, [*val, through_parent, str(tmp_path / "missing")]) == [
        (train[1], val[0]),
        (train[0], through_parent),
    ]
    assert shared_images(train, []) == shared_images([], val) == []


def test_files_of_different_sizes_are_not_read(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"22")
    monkeypatch.setattr("builtins.open", None)
    assert shared_images([str(tmp_path / "a")], [str(tmp_path / "b")]) == []
