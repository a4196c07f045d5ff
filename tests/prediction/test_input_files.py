"""What a command line names."""

from pathlib import Path

import pytest

from mmseg_ext.errors import UserError
from mmseg_ext.prediction.input_files import find_inputs, take_shard


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (
        "a/1.jpg",
        "a/2.PNG",
        "a/b/1.tif",
        "a/.hidden.png",
        "a/.git/x.png",
        "a/notes.md",
        "c.webp",
        "out/9.png",
    ):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def found(*inputs, **settings):
    return [(path.as_posix(), name) for path, name in find_inputs(inputs, **settings)]


def test_files_folders_and_patterns(tree):
    assert found("c.webp", "a") == [("c.webp", "c"), ("a/1.jpg", "1"), ("a/2.PNG", "2"), ("a/b/1.tif", "b/1")]
    assert found("a/*.*") == [("a/1.jpg", "1"), ("a/2.PNG", "2")]
    assert found("a/**/*.tif") == [("a/b/1.tif", "b/1")]
    assert found("a/1.jpg", "a/1.jpg", str(tree / "a" / "1.jpg")) == [("a/1.jpg", "1")]


def test_the_folder_of_the_results_is_left_out(tree):
    assert [path for path, _ in found(".", left_out="out")] == ["c.webp", "a/1.jpg", "a/2.PNG", "a/b/1.tif"]
    assert len(found(".")) == 5


def test_a_list_of_paths(tree):
    (tree / "a" / "list.txt").write_text("# chosen\n\n2.PNG\nc.webp\n")
    assert found("a/list.txt") == [("a/2.PNG", "2"), ("c.webp", "c")]
    (tree / "bad.txt").write_text("c.webp\nnone.png\n")
    with pytest.raises(UserError, match=r"line 2 of bad\.txt, found no file at none\.png"):
        find_inputs(["bad.txt"])
    (tree / "empty.txt").write_text("# none\n")
    with pytest.raises(UserError, match=r"Expected paths of images in empty\.txt"):
        find_inputs(["empty.txt"])


def test_names_that_differ_in_the_suffix_keep_it(tree):
    (tree / "a" / "1.png").touch()
    assert found("a/1.jpg", "a/1.png", "c.webp") == [("a/1.jpg", "1.jpg"), ("a/1.png", "1.png"), ("c.webp", "c")]


def test_images_of_one_name_are_refused(tree):
    (tree / "d").mkdir()
    (tree / "d" / "1.jpg").touch()
    with pytest.raises(UserError, match=r"a/1\.jpg, d/1\.jpg, whose results would be one file"):
        find_inputs(["a/1.jpg", "d/1.jpg"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nowhere", "found nothing at nowhere"),
        ("a/notes.md", "Expected an image .* got a/notes.md"),
        ("a/*.bmp", r"that match a/\*\.bmp, found none"),
        ("a/.git", "in the folder a/.git, found none"),
    ],
)
def test_what_is_no_input_is_one_line(tree, text, message):
    (tree / "a" / ".git" / "x.png").unlink()
    with pytest.raises(UserError, match=message):
        find_inputs([text])


def test_shards_are_all_inputs_once(tree):
    files = find_inputs(["a", "c.webp"])
    shares = [take_shard(files, f"{i}/3") for i in (1, 2, 3)]
    assert sorted(file for share in shares for file in share) == sorted(files)
    assert take_shard(files, None) == files
    for wrong in ("0/3", "4/3", "1", "a/b", "1/0"):
        with pytest.raises(UserError, match="Expected --shard i/n"):
            take_shard(files, wrong)
