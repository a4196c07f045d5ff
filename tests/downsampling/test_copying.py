"""Copies: what they hold, going on after an interruption, unusable files, shards, several processes."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_trees import make_ade20k
from PIL import Image

from mmseg_ext.downsampling import pair_copying
from mmseg_ext.downsampling.copies import Filters, Shard, Target
from mmseg_ext.downsampling.copying import CopyStoppedError, make_copies
from mmseg_ext.downsampling.layouts import LAYOUTS, Failure, detect_layout
from mmseg_ext.downsampling.record import hash_names
from mmseg_ext.downsampling.reduce import reduce_image, reduce_labels
from mmseg_ext.errors import UserError

ADE20K = LAYOUTS["ade20k"]
FILTERS = Filters(ignored=(0,))


@pytest.fixture
def ade20k(tmp_path):
    return make_ade20k(tmp_path)


def files(root):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def record(root):
    return json.loads((root / "dataset.json").read_text())


def test_a_copy_holds_the_reduced_files_under_their_names(ade20k, tmp_path):
    targets = [Target(2, tmp_path / "two"), Target(4, tmp_path / "four")]
    done = []
    result = make_copies(ade20k, targets, ADE20K, FILTERS, progress=lambda *counts: done.append(counts))
    assert (result.num_images, result.num_made, result.failed, result.is_complete) == (5, 5, [], True)
    assert done[0] == (0, 5)
    assert done[-1] == (5, 5)
    for target in targets:
        assert set(files(target.root)) == {*files(ade20k), "dataset.json"}
        for mask in ade20k.glob("annotations/*/*.png"):
            name = mask.relative_to(ade20k)
            expected = reduce_labels(pixels(mask), target.factor, (0,))
            np.testing.assert_array_equal(pixels(target.root / name), expected)
            image = ade20k / "images" / name.relative_to("annotations").with_suffix(".jpg")
            found = cv2.imread(str(target.root / image.relative_to(ade20k)))
            assert found.shape[:2] == expected.shape
            wanted = reduce_image(cv2.imread(str(image)), target.factor)
            assert np.abs(found.astype(int) - wanted).mean() < 6  # JPEG, of noise


def test_the_record_says_what_the_copy_is(ade20k, tmp_path):
    root = tmp_path / "ADE_ds_4"
    make_copies(ade20k, [Target(4, root)], ADE20K, FILTERS)
    found = record(root)
    assert (found["factor"], found["layout"], found["source"]) == (4, "ade20k", "../ADE")
    assert found["counts"] == {"images": 5, "masks": 5, "failed": 0}
    assert found["filters"]["labels"] == "majority"
    assert found["filters"]["ignored"] == [0]
    names = ["ADE_8.jpg", "ADE_9.jpg"]
    assert found["folders"]["images/validation"] == {"images": 2, "sha256": hash_names(names)}
    assert len(found["list_sha256"]) == 64
    assert not (root / ".downsampling").exists()


def test_png_images_are_the_means_themselves(ade20k, tmp_path):
    root = tmp_path / "copy"
    make_copies(ade20k, [Target(2, root)], ADE20K, Filters(image_format="png"))
    for image in ade20k.glob("images/*/*.jpg"):
        copied = root / image.relative_to(ade20k).with_suffix(".png")
        np.testing.assert_array_equal(cv2.imread(str(copied)), reduce_image(cv2.imread(str(image)), 2))
    assert "images/training/ADE_0.jpg" not in files(root)


def test_nearest_by_option(ade20k, tmp_path):
    make_copies(ade20k, [Target(2, tmp_path / "copy")], ADE20K, Filters(labels="nearest"))
    mask = Path("annotations/training/ADE_1.png")
    expected = reduce_labels(pixels(ade20k / mask), 2, how="nearest")
    np.testing.assert_array_equal(pixels(tmp_path / "copy" / mask), expected)


def test_what_is_there_is_not_made_again(ade20k, tmp_path, monkeypatch):
    target = Target(2, tmp_path / "copy")
    make_copies(ade20k, [target], ADE20K, FILTERS)
    whole = files(target.root)
    (target.root / "images/training/ADE_1.jpg").unlink()
    (target.root / "annotations/validation/ADE_9.png").unlink()
    decoded = []
    read_image = pair_copying.read_image
    monkeypatch.setattr(pair_copying, "read_image", lambda path: decoded.append(path.name) or read_image(path))
    result = make_copies(ade20k, [target], ADE20K, FILTERS)
    assert (result.num_images, result.num_made) == (5, 2)
    assert decoded == ["ADE_1.jpg", "ADE_9.jpg"]
    assert files(target.root) == whole


def test_an_interrupted_run_leaves_whole_files_alone_and_goes_on(ade20k, tmp_path):
    target = Target(2, tmp_path / "copy")

    def interrupt(done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_copies(ade20k, [target], ADE20K, FILTERS, progress=interrupt)
    assert not (target.root / "dataset.json").exists()
    half = files(target.root)
    leftover = target.root / "images/training/.ADE_2.jpg.abcd_123"
    leftover.parent.mkdir(parents=True, exist_ok=True)
    leftover.write_bytes(b"half a file")
    make_copies(ade20k, [target], ADE20K, FILTERS)
    assert not leftover.exists()
    make_copies(ade20k, [Target(2, tmp_path / "at_once")], ADE20K, FILTERS)
    whole = files(target.root)
    assert whole == files(tmp_path / "at_once")
    kept = {name: content for name, content in half.items() if not name.startswith(".downsampling")}
    assert kept
    assert kept.items() <= whole.items()


def test_other_filters_are_refused_with_both_ways_out(ade20k, tmp_path):
    target = Target(2, tmp_path / "copy")
    make_copies(ade20k, [target], ADE20K, FILTERS)
    before = files(target.root)
    with pytest.raises(UserError, match="labels majority, not nearest") as caught:
        make_copies(ade20k, [target], ADE20K, Filters("nearest", (0,)))
    assert "Repeat those settings" in str(caught.value)
    assert f"name another folder for the copy, or remove {target.root}" in str(caught.value)
    with pytest.raises(UserError, match="factor 2, not 4"):
        make_copies(ade20k, [Target(4, target.root)], ADE20K, FILTERS)
    assert files(target.root) == before


def test_other_filters_are_refused_before_the_copy_is_complete_too(ade20k, tmp_path):
    target = Target(2, tmp_path / "copy")
    result = make_copies(ade20k, [target], ADE20K, FILTERS, shard=Shard(1, 2))
    assert not result.is_complete
    with pytest.raises(UserError, match="jpeg_quality 95, not 90"):
        make_copies(ade20k, [target], ADE20K, Filters(ignored=(0,), quality=90), shard=Shard(2, 2))


def test_folders_that_hold_something_else_are_refused(ade20k, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("of three years")
    with pytest.raises(UserError, match="to be empty or a copy that this command made"):
        make_copies(ade20k, [Target(2, other)], ADE20K, FILTERS)
    for root in (ade20k, ade20k / "half", tmp_path):
        with pytest.raises(UserError, match="a folder beside the original"):
            make_copies(ade20k, [Target(2, root)], ADE20K, FILTERS)
    assert files(other) == {"thesis.txt": b"of three years"}


def break_three(root):
    image = root / "images/training/ADE_0.jpg"
    image.write_bytes(image.read_bytes()[:200])
    Image.new("L", (5, 5)).save(root / "annotations/training/ADE_1.png")
    (root / "annotations/validation/ADE_9.png").unlink()


def test_unusable_files_are_listed_and_all_others_are_done(ade20k, tmp_path):
    break_three(ade20k)
    root = tmp_path / "copy"
    result = make_copies(ade20k, [Target(2, root)], ADE20K, FILTERS)
    assert [failure.path for failure in result.failed] == [
        "annotations/training/ADE_1.png",
        "images/training/ADE_0.jpg",
        "images/validation/ADE_9.jpg",
    ]
    assert result.failed[0].reason == "is 5x5, its image images/training/ADE_1.jpg is 13x20 (height x width)"
    assert "cannot be decoded" in result.failed[1].reason
    assert result.failed[2].reason == "has no mask in annotations/validation"
    assert result.is_complete
    assert (result.num_images, result.num_made) == (2, 2)
    assert record(root)["counts"] == {"images": 2, "masks": 2, "failed": 3}
    assert [Failure(**failure) for failure in record(root)["failed"]] == result.failed
    assert sorted(p.name for p in root.rglob("*.jpg")) == ["ADE_2.jpg", "ADE_8.jpg"]


def test_a_mended_file_is_done_by_the_next_run(ade20k, tmp_path):
    whole = (ade20k / "images/training/ADE_0.jpg").read_bytes()
    break_three(ade20k)
    target = Target(2, tmp_path / "copy")
    make_copies(ade20k, [target], ADE20K, FILTERS)
    (ade20k / "images/training/ADE_0.jpg").write_bytes(whole)
    result = make_copies(ade20k, [target], ADE20K, FILTERS)
    assert result.num_made == 1
    assert record(target.root)["counts"] == {"images": 3, "masks": 3, "failed": 2}


def test_strict_stops_at_the_first(ade20k, tmp_path):
    image = ade20k / "images/training/ADE_0.jpg"
    image.write_bytes(b"")
    with pytest.raises(CopyStoppedError, match=r"images/training/ADE_0\.jpg: is empty"):
        make_copies(ade20k, [Target(2, tmp_path / "copy")], ADE20K, FILTERS, strict=True)
    assert not (tmp_path / "copy" / "dataset.json").exists()


def test_shards_make_the_same_copy_and_the_last_writes_the_record(ade20k, tmp_path):
    target, at_once = Target(2, tmp_path / "copy"), Target(2, tmp_path / "at_once")
    break_three(ade20k)
    make_copies(ade20k, [at_once], ADE20K, FILTERS)
    results = [make_copies(ade20k, [target], ADE20K, FILTERS, shard=Shard(i, 3)) for i in (2, 1, 3)]
    assert [result.is_complete for result in results] == [False, False, True]
    assert results[0].missing == f"shards 1, 3 of 3 have not ended in {target.root}"
    assert files(target.root) == files(at_once.root)
    assert make_copies(ade20k, [target], ADE20K, FILTERS, shard=Shard(1, 3)).is_complete
    assert files(target.root) == files(at_once.root)


def test_a_run_without_shards_completes_what_shards_have_made(ade20k, tmp_path):
    target = Target(2, tmp_path / "copy")
    make_copies(ade20k, [target], ADE20K, FILTERS, shard=Shard(1, 2))
    result = make_copies(ade20k, [target], ADE20K, FILTERS)
    assert result.is_complete
    assert result.num_made == 2
    assert not (target.root / ".downsampling").exists()


def test_several_processes_make_the_same_copy(ade20k, tmp_path):
    for n in range(20, 30):
        for kind, suffix in (("images", "jpg"), ("annotations", "png")):
            name = f"{kind}/training/ADE_{n}.{suffix}"
            (ade20k / name).write_bytes((ade20k / f"{kind}/training/ADE_{n % 3}.{suffix}").read_bytes())
    (ade20k / "images/training/ADE_21.jpg").write_bytes(b"")
    results = [
        make_copies(ade20k, [Target(2, tmp_path / f"by_{workers}")], ADE20K, FILTERS, workers=workers)
        for workers in (1, 2)
    ]
    assert results[0] == results[1]
    assert results[0].failed == [Failure("images/training/ADE_21.jpg", "is empty")]
    assert files(tmp_path / "by_1") == files(tmp_path / "by_2")


def test_colour_masks_stay_colour_masks(tmp_path):
    root, copy = tmp_path / "dubai", tmp_path / "copy"
    colors = {"building": (0x3C, 0x10, 0x98), "water": (0xE2, 0xA9, 0x29), "unlabeled": (0x9B, 0x9B, 0x9B)}
    rgb = np.array(list(colors.values()), np.uint8)[np.array([[2, 2, 1, 0], [2, 0, 1, 1]])]
    for tile in ("tile_1", "tile_2"):
        (root / tile / "images").mkdir(parents=True)
        (root / tile / "masks").mkdir()
        Image.new("RGB", (4, 2)).save(root / tile / "images" / "image_part_001.jpg")
    Image.fromarray(rgb).save(root / "tile_1/masks/image_part_001.png")
    # A palette with one colour twice, in another order: 3 and 0 are both water.
    indices = np.array([[1, 1, 3, 2], [1, 2, 0, 2]], np.uint8)
    palette = Image.frombytes("P", (4, 2), indices.tobytes())
    palette.putpalette([0xE2, 0xA9, 0x29, 0x9B, 0x9B, 0x9B, 0x3C, 0x10, 0x98, 0xE2, 0xA9, 0x29])
    palette.save(root / "tile_2/masks/image_part_001.png")
    layout = detect_layout(root)
    make_copies(root, [Target(2, copy)], layout, Filters(ignored=layout.ignored))
    with Image.open(copy / "tile_1/masks/image_part_001.png") as mask:
        assert mask.mode == "RGB"
        assert np.asarray(mask).tolist() == [[list(colors["building"]), list(colors["water"])]]
    with Image.open(copy / "tile_2/masks/image_part_001.png") as mask:
        assert mask.mode == "P"
        assert np.asarray(mask.convert("RGB")).tolist() == [[list(colors["building"]), list(colors["water"])]]


@pytest.mark.parametrize("foreground", [255, 1])
def test_binary_masks_stay_binary(tmp_path, foreground):
    root = tmp_path / "roads"
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    Image.new("RGB", (4, 2)).save(root / "images/1.png")
    mask = np.array([[0, 1, 0, 0], [1, 1, 0, 1]], np.uint8) * foreground
    Image.fromarray(mask).save(root / "masks/1.png")
    make_copies(root, [Target(2, tmp_path / "copy")], detect_layout(root), Filters())
    assert pixels(tmp_path / "copy/masks/1.png").tolist() == [[foreground, 0]]


@pytest.mark.parametrize(
    "arguments", [{"labels": "mean"}, {"image_format": "gif"}, {"quality": 0}, {"quality": 101}, {"ignored": ("red",)}]
)
def test_filters_out_of_range(arguments):
    with pytest.raises(UserError, match="Expected"):
        Filters(**arguments)


@pytest.mark.parametrize(("index", "count"), [(0, 2), (3, 2), (1, 0)])
def test_shards_out_of_range(index, count):
    with pytest.raises(UserError, match="Expected a shard i/n"):
        Shard(index, count)
