"""Files that cannot be decoded or that decoding changes."""

import cv2
import numpy as np
import pytest
from checked_datasets import IMAGE, INDEX, build, check, color_pipeline, labels, only, write_image, write_mask
from PIL import Image

from mmseg_ext.data_check import check_dataset


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("lost", [2, 400, 0.5])
def test_truncated_jpeg(root, lost, progressive):
    path = root / "images" / "1.jpg"
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((80, 60)).save(path, quality=95, progressive=progressive)
    write_mask(root / "masks" / "1.png", labels(0, size=(60, 80)))
    check(root).raise_if_bad()
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * lost) if isinstance(lost, float) else -lost])
    problem = only(check(root).errors)
    assert problem.path == str(path)
    assert "the image is truncated" in problem.what
    assert "bytes not processed" in problem.what
    assert "Copy or download the file again" in problem.fix


def test_truncation_is_found_whatever_pillow_is_set_to(root, monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)
    path = root / "images" / "1.jpg"
    path.write_bytes(path.read_bytes()[:-30])
    assert "truncated" in only(check(root).errors).what


def test_truncated_mask(root):
    path = root / "masks" / "1.png"
    noise = np.random.default_rng(0).integers(0, 3, (6, 8))
    write_mask(path, noise)
    path.write_bytes(path.read_bytes()[:-35])
    problem = only(check(root).errors)
    assert (problem.path, problem.kind) == (str(path), "mask unreadable")
    assert "truncated" in problem.what


@pytest.mark.parametrize("lost", [1, 4, 12, slice(-16, -12)], ids=["byte", "checksum", "end", "checksum of the pixels"])
def test_png_that_pillow_reads_and_opencv_does_not(root, lost):
    for i in range(3):
        write_image(root / "images" / f"{i}.png")
    dataset = build(root, img_suffix=".png")
    check_dataset(dataset, use_cache=False).raise_if_bad()
    path = root / "images" / "1.png"
    data = bytearray(path.read_bytes())
    data[lost if isinstance(lost, slice) else slice(-lost, None)] = b"\0" * 4 if isinstance(lost, slice) else b""
    path.write_bytes(data)
    Image.open(path).load()
    assert cv2.imread(str(path)) is None
    assert only(check_dataset(dataset, use_cache=False).errors).path == str(path)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1", "LA"])
def test_images_that_the_stock_loader_turns_into_three_channels(root, mode):
    suffix = ".tif" if mode == "CMYK" else ".png"
    for i in range(3):
        write_image(root / "images" / f"{i}{suffix}", mode=mode)
    dataset = build(root, img_suffix=suffix)
    check_dataset(dataset, use_cache=False).raise_if_bad()
    assert dataset.pipeline.transforms[0](dataset.get_data_info(1))["img"].shape == (6, 8, 3)


def write_16_bit_rgb(path):
    cv2.imwrite(str(path), np.full((6, 8, 3), 1000, dtype=np.uint16))


def write_bands(path, dtype, bands):
    import tifffile

    photometric = {"photometric": "minisblack", "planarconfig": "contig"} if bands > 1 else {}
    tifffile.imwrite(path, np.ones((6, 8, bands) if bands > 1 else (6, 8), dtype=dtype), **photometric)


@pytest.mark.parametrize(
    ("suffix", "write", "what"),
    [
        (".png", lambda p: Image.fromarray(np.full((6, 8), 1000, dtype=np.uint16)).save(p), "holds 16 bits a channel"),
        (".png", write_16_bit_rgb, "holds 16 bits a channel"),
        (".tif", lambda p: Image.fromarray(np.ones((6, 8), dtype=np.float32)).save(p), "holds 32 bits a channel"),
        (".tif", lambda p: write_bands(p, np.uint8, 4), "holds 4 bands"),
        (".tif", lambda p: write_bands(p, np.uint8, 5), "holds 5 bands"),
    ],
)
def test_images_that_the_stock_loader_would_change(root, suffix, write, what):
    if "bands" in what:
        pytest.importorskip("tifffile")
    write(root / "images" / f"1{suffix}")
    report = check(root, img_suffix=suffix)
    problem = only(report.errors)
    assert problem.path == str(root / "images" / f"1{suffix}")
    assert what in problem.what
    assert "Save" in problem.fix
    if "5 bands" in what:  # OpenCV does not decode it at all
        return
    unchanged = [{**IMAGE, "color_type": "unchanged"}, INDEX[1]]
    assert check(root, unchanged, img_suffix=suffix).errors == []


def test_photograph_in_place_of_a_mask(root, monkeypatch):
    monkeypatch.setattr("mmseg_ext.data_check.file_facts.MAX_COLORS", 20)
    write_image(root / "masks" / "1.png")
    problem = next(p for p in check(root, color_pipeline(unknown="ignore")).errors if p.kind == "no mask")
    assert problem.path == str(root / "masks" / "1.png")
    assert "a mask saved as JPEG" in problem.what
