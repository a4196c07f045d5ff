"""Matrices of single images: counts, the file, groups."""

import io
import zipfile

import numpy as np
import pytest
from image_counts import CLASSES, random_matrices, run_of

from mmseg_ext.errors import UserError
from mmseg_ext.scores import image_matrices
from mmseg_ext.scores.class_scores import counts_of
from mmseg_ext.scores.image_groups import group_images
from mmseg_ext.scores.image_matrices import (
    ImageMatrices,
    below_common_folder,
    cells_of,
    pack_image_matrices,
    read_image_matrices,
)


def test_counts_are_those_of_the_matrices():
    matrices = random_matrices(9)
    run = run_of(matrices)
    np.testing.assert_array_equal(run.counts_N3C, counts_of(matrices))
    np.testing.assert_array_equal(run.matrices(), matrices)


def test_the_file_holds_everything(tmp_path):
    matrices = random_matrices(6)
    matrices[2] = 0  # an image without a labelled pixel
    matrices[3, 0, 0] = 2**40
    names = ["tile_1/ä.png", "b", "c", "d", "e", "caf\udce9.png"]
    run = ImageMatrices.of(names, map(cells_of, matrices), CLASSES, 400, "original", True)
    path = tmp_path / "m.npz"
    path.write_bytes(pack_image_matrices(run))
    found = read_image_matrices(path)
    assert (found.names, found.classes, found.iteration, found.prefix, found.is_test) == (
        tuple(names),
        CLASSES,
        400,
        "original",
        True,
    )
    np.testing.assert_array_equal(found.matrices(), matrices)
    path.write_bytes(pack_image_matrices(ImageMatrices.of([], [], CLASSES)))
    assert (read_image_matrices(path).iteration, read_image_matrices(path).names) == (None, ())
    with np.load(io.BytesIO(pack_image_matrices(run))) as arrays:
        dense = np.zeros((6, 3, 3), np.int64)
        dense[arrays["image"], arrays["truth"], arrays["prediction"]] = arrays["pixels"]
    np.testing.assert_array_equal(dense, matrices)


def test_names_that_repeat_get_a_number():
    assert run_of(random_matrices(3), ["a", "b", "a"]).names == ("a", "b", "a (2)")


def packed(**changes):
    run = run_of(random_matrices(2))
    with np.load(io.BytesIO(pack_image_matrices(run))) as arrays:
        content = {**{name: arrays[name] for name in arrays.files}, **changes}
    buffer = io.BytesIO()
    np.savez(buffer, **{name: value for name, value in content.items() if value is not None})
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 no archive",
        packed(names=None),
        packed(truth=np.array([9])),
        packed(image=np.full(9, 7)),
        packed(pixels=np.full((3, 3), 1)),
        packed(names=np.array(["a", "a"])),
        packed(names=np.array([{}, {}], dtype=object)),
        packed(iteration=np.array("many")),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, content):
    path = tmp_path / "confusion_matrices.npz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"Expected the confusion matrices of .*confusion_matrices\.npz, got something"):
        read_image_matrices(path)


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "m.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("names.npy", b"\0" * 5000)
    monkeypatch.setattr(image_matrices, "MAX_BYTES", 4000)
    with pytest.raises(UserError, match="more than 4000 bytes"):
        read_image_matrices(path)


def test_places_below_the_common_folder():
    assert below_common_folder(["/d/x/a/1.png", "/d/x/b/2.png"]) == ["a/1.png", "b/2.png"]
    assert below_common_folder(["/d/x/a/1.png"]) == ["a/1.png"]
    assert below_common_folder([]) == []


def test_groups():
    names = [f"tile_{i % 6}/{i}.png" for i in range(18)]
    by_folder = group_images(names)
    assert (len(by_folder), by_folder.is_grouped, by_folder.words) == (6, True, "6 groups of images")
    assert by_folder.index_N.tolist() == [i % 6 for i in range(18)]
    assert (len(group_images(names, "image")), group_images(names[:1], "image").words) == (18, "1 image")
    few = group_images([f"tile_{i % 2}/{i}.png" for i in range(18)])
    assert (len(few), few.is_grouped) == (18, False)
    assert "of 2 folders, too few to resample" in few.note
    assert group_images([f"val/{i}.png" for i in range(9)]).note == ""
    assert not group_images([f"{i}/image.png" for i in range(9)]).is_grouped  # a folder an image
    assert group_images(names, r"tile_[0-2]|tile_[3-5]").names == tuple(f"tile_{i}" for i in range(6))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ("tile_(", "'folder', 'image' or a regular expression, got 'tile_\\('"),
        (r"scene_\d", "to match the name of every image, it does not match 'tile_0/0.png'"),
        (["a", "b"], "a group for each of 18 images, got 2"),
    ],
)
def test_groups_that_cannot_be(groups, message):
    with pytest.raises(UserError, match=message):
        group_images([f"tile_{i % 6}/{i}.png" for i in range(18)], groups)
