"""Each kind of bad input on files of a few pixels, and the real images with their traps."""

import json
import os
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmseg_ext import stack

stack.prepare()

from mmengine.dataset import ConcatDataset, RepeatDataset  # noqa: E402
from mmseg.datasets import BaseSegDataset, PascalVOCDataset  # noqa: E402

from mmseg_ext.data_check import LabelFileReport, Problem, check_dataset  # noqa: E402
from mmseg_ext.data_check.file_facts import read_image_facts, read_mask_facts  # noqa: E402
from mmseg_ext.data_check.judge import LabelSpec, judge_mask  # noqa: E402
from mmseg_ext.data_check.report import raise_for_problems  # noqa: E402
from mmseg_ext.errors import UserError  # noqa: E402
from mmseg_ext.masks.color_masks import colors_to_indices, read_rgb_mask  # noqa: E402
from mmseg_ext.progress import ProgressDisplay  # noqa: E402
from mmseg_ext.transforms import LoadColorAnnotations  # noqa: E402

CLASSES = ("field", "water", "road")
PALETTE = [(10, 20, 30), (40, 50, 60), (70, 80, 90)]
IMAGE = {"type": "mmseg.LoadImageFromFile"}
INDEX = [IMAGE, {"type": "mmseg.LoadAnnotations"}]
DUBAI = Path(__file__).resolve().parents[3] / "shared" / "data" / "dubai"
DUBAI_PALETTE = ["#3C1098", "#8429F6", "#6EC1E4", "#FEDD3A", "#E2A929"]
DUBAI_CLASSES = ("building", "land", "road", "vegetation", "water")


def color_pipeline(palette=PALETTE, **kwargs):
    return [IMAGE, LoadColorAnnotations(palette, **kwargs)]


def build(root, pipeline=INDEX, cls=BaseSegDataset, **kwargs):
    kwargs.setdefault("metainfo", {"classes": CLASSES, "palette": [list(c) for c in PALETTE]})
    kwargs.setdefault("serialize_data", False)  # MMEngine collects garbage for it: half a second each
    prefix = {"img_path": "images", "seg_map_path": "masks"}
    return cls(data_root=str(root), data_prefix=kwargs.pop("data_prefix", prefix), pipeline=pipeline, **kwargs)


def check(root, *args, use_cache=False, allow_palette=False, **kwargs):
    return check_dataset(build(root, *args, **kwargs), use_cache=use_cache, allow_palette=allow_palette, num_workers=2)


def only(problems):
    assert len(problems) == 1, [str(p) for p in problems]
    return problems[0]


def write_image(path, size=(6, 8), mode="RGB"):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)


def write_mask(path, values, palette=None):
    mask = Image.fromarray(np.asarray(values, dtype=np.uint8))
    if palette is not None:
        mask = mask.convert("L")
        mask.putpalette([v for color in palette for v in color])
    mask.save(path)


def labels(*values, size=(6, 8)):
    """A mask of the first value with one pixel of each other."""
    mask = np.full(size, values[0], dtype=np.uint8)
    mask.ravel()[: len(values)] = values
    return mask


@pytest.fixture
def root(tmp_path):
    """Three good images with index masks."""
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    for i in range(3):
        write_image(tmp_path / "images" / f"{i}.jpg")
        write_mask(tmp_path / "masks" / f"{i}.png", labels(i, 255))
    return tmp_path


def test_good_dataset_is_counted(root):
    report = check(root, serialize_data=True)
    report.raise_if_bad()
    assert (report.errors, report.warnings) == ([], [])
    assert (report.num_images, report.num_masks, report.num_pixels) == (3, 3, 3 * 48)
    assert (report.num_labelled_pixels, report.class_pixels, report.class_images) == (3 * 47, [47] * 3, [1] * 3)
    assert report.labelled_percent == pytest.approx(100 * 47 / 48)
    assert (report.min_size, report.max_size) == ((6, 8), (6, 8))
    content = json.loads(json.dumps(report.to_dict()))
    assert content["class_pixels"] == [47] * 3
    assert "3 images, 6x8 (height x width), 97.9 % of the pixels labelled" in report.summary()


def test_missing_image(root):
    dataset = build(root)
    (root / "images" / "1.jpg").unlink()
    problem = only(check_dataset(dataset, use_cache=False).errors)
    assert problem.path == str(root / "images" / "1.jpg")
    assert problem.what == "the image is missing"
    assert "remove it from the list" in problem.mend


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
    assert "Copy or download the file again" in problem.mend


def test_truncation_is_found_whatever_pillow_is_set_to(root, monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)
    path = root / "images" / "1.jpg"
    path.write_bytes(path.read_bytes()[:-30])
    assert "truncated" in only(check(root).errors).what


@pytest.mark.parametrize(("data", "what"), [(b"", "is empty (0 bytes)"), (b"no image at all", "cannot decode")])
@pytest.mark.parametrize("noun", ["image", "mask"])
def test_file_that_is_no_image(root, data, what, noun):
    path = root / f"{noun}s" / ("1.jpg" if noun == "image" else "1.png")
    path.write_bytes(data)
    problem = only(check(root).errors)
    assert problem.path == str(path)
    assert problem.what.startswith(f"the {noun} ")
    assert what in problem.what.replace("is no image that OpenCV can decode", "cannot decode").replace(
        "cannot be decoded (cannot identify image file)", "cannot decode"
    )


def test_missing_mask_names_its_image(root):
    (root / "masks" / "1.png").unlink()
    problem = only(check(root).errors)
    assert problem.path == str(root / "masks" / "1.png")
    assert problem.what == f"the mask is missing; its image is {root / 'images' / '1.jpg'}"
    assert "Put the mask there" in problem.mend


def test_all_masks_missing_is_one_problem_that_names_the_suffix(root):
    problem = only(check(root, seg_map_suffix="_label.png").errors)
    assert problem.path == str(root / "masks")
    assert "none of the 3 masks is there" in problem.what
    assert "0_label.png" in problem.what
    assert "3 *.png: set seg_map_suffix" in problem.mend
    prefix = {"img_path": "images", "seg_map_path": "nowhere"}
    assert "does not exist" in only(check(root, data_prefix=prefix).errors).mend


def test_truncated_mask(root):
    path = root / "masks" / "1.png"
    noise = np.random.default_rng(0).integers(0, 3, (6, 8))
    write_mask(path, noise)
    path.write_bytes(path.read_bytes()[:-35])
    problem = only(check(root).errors)
    assert (problem.path, problem.kind) == (str(path), "mask unreadable")
    assert "truncated" in problem.what


def test_size_of_mask_and_image(root):
    write_mask(root / "masks" / "1.png", labels(1, size=(6, 9)))
    problem = only(check(root).errors)
    assert problem.path == str(root / "masks" / "1.png")
    assert "the mask is 6x9" in problem.what
    assert f"{root / 'images' / '1.jpg'} is 6x8" in problem.what
    assert "nearest-neighbour" in problem.mend


def test_exif_turns_the_image_that_training_sees(root):
    path = root / "images" / "1.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(path).save(path, exif=exif)
    problem = only(check(root).errors)
    assert "is 8x6 (height x width)" in problem.what
    assert "EXIF orientation (6)" in problem.mend
    loader = {"type": "mmseg.LoadImageFromFile", "color_type": "color_ignore_orientation"}
    check(root, [loader, INDEX[1]]).raise_if_bad()
    # As stock mmseg loads it:
    results = build(root).pipeline.transforms[0]({"img_path": str(path)})
    assert results["img"].shape == (8, 6, 3)


def test_label_outside_the_classes(root):
    write_mask(root / "masks" / "1.png", labels(0, 7, 7, 9))
    problem = only(check(root).errors)
    assert problem.path == str(root / "masks" / "1.png")
    assert problem.what == "holds labels 7 (2 pixels), 9 (1 pixel) outside the 3 classes"
    assert "0..2, and 255 for 'not labelled'" in problem.mend


def test_labels_that_count_from_one(root):
    for i in range(3):
        write_mask(root / "masks" / f"{i}.png", labels(i + 1))
    report = check(root)
    kinds = [p.kind for p in report.errors]
    assert kinds == ["label outside the classes", "labels count from 1"]
    assert "labels up to 3, one more than 3 classes allow, and 0 never occurs" in report.errors[1].what
    assert "reduce_zero_label=True" in report.errors[1].mend
    good = check(root, reduce_zero_label=True)
    good.raise_if_bad()
    assert (good.class_pixels, good.warnings) == ([48] * 3, [])


def test_reduce_zero_label_over_labels_that_count_from_zero_is_a_warning(root):
    report = check(root, reduce_zero_label=True)
    assert report.errors == []
    assert report.class_pixels == [47, 47, 0]
    problem = next(p for p in report.warnings if p.kind == "labels count from 0")
    assert "reduce_zero_label=True ignores label 0 (32.6 % of the pixels)" in problem.what
    assert "'road', never occurs" in problem.what
    assert "set reduce_zero_label=False" in problem.mend


def test_reduced_labels_are_shown_as_on_disk(root):
    write_mask(root / "masks" / "1.png", labels(1, 4))
    write_mask(root / "masks" / "2.png", labels(3, 2))
    problem = check(root, reduce_zero_label=True).errors[0]
    assert "label 4 (1 pixel)" in problem.what
    assert "1..3, and 0 or 255 for 'not labelled' (reduce_zero_label=True)" in problem.mend


@pytest.mark.parametrize("reduce_zero_label", [False, True])
def test_classes_are_those_that_stock_loading_makes(root, reduce_zero_label):
    class FourClasses(BaseSegDataset):
        METAINFO = {"classes": ("other", *CLASSES), "palette": [[0, 0, 0], *map(list, PALETTE)]}

    rng = np.random.default_rng(0)
    for i in range(3):
        values = rng.choice([0, 1, 2, 3, 255], (6, 8))
        write_mask(root / "masks" / f"{i}.png", values)
    kwargs = {"metainfo": {"classes": ("road", "field")}, "cls": FourClasses, "reduce_zero_label": reduce_zero_label}
    dataset = build(root, **kwargs)
    assert dataset.label_map
    report = check_dataset(dataset, use_cache=False)
    assert report.errors == []
    expected = np.zeros(256, dtype=np.int64)
    for i in range(3):
        expected += np.bincount(dataset[i]["gt_seg_map"].ravel(), minlength=256)
    assert expected[:2].sum() > 0
    assert report.class_pixels == expected[:2].tolist()
    assert report.num_labelled_pixels == expected[:2].sum()
    assert expected[2:255].sum() == 0


def test_16_bit_mask_whose_labels_would_wrap(root):
    mask = np.zeros((6, 8), dtype=np.uint16)
    mask[0, :3] = 300
    Image.fromarray(mask).save(root / "masks" / "1.png")
    problem = only(check(root).errors)
    assert problem.what == "holds labels beyond 8 bits, up to 300 (3 pixels), which loading would wrap: 300 becomes 44"
    assert "Save the mask with 8 bits" in problem.mend
    assert build(root)[1]["gt_seg_map"].max() == 44  # what stock mmseg makes of it


def test_colour_mask_where_indices_are_expected(root):
    rgb = np.full((6, 8, 3), PALETTE[1], dtype=np.uint8)
    rgb[0, 0] = PALETTE[0]
    write_mask(root / "masks" / "1.png", rgb)
    problem = only(check(root).errors)
    assert "is a colour mask (mode RGB) where class indices are expected; it holds #28323C (98 %)" in problem.what
    assert "mmseg_ext.LoadColorAnnotations" in problem.mend
    assert "['#0A141E', '#28323C']" in problem.mend
    write_mask(root / "masks" / "1.png", np.ones((6, 8, 3)))
    assert "single channel" in only(check(root).errors).mend


def test_palette_png_where_indices_are_expected(root):
    write_mask(root / "masks" / "1.png", labels(0, 1), palette=PALETTE[::-1])
    problem = only(check(root).errors)
    assert problem.path == str(root / "masks" / "1.png")
    assert "is a palette PNG where class indices are expected; its indices stand for #46505A (98 %)" in problem.what
    assert "LoadColorAnnotations" in problem.mend
    assert "allow_palette=True" in problem.mend
    assert check(root, allow_palette=True).errors == []


@pytest.mark.parametrize("palette", [PALETTE + [(0, 0, 0)] * 253, [(i, i, i) for i in range(256)]])
def test_palette_png_whose_colours_show_that_indices_are_meant(root, palette):
    write_mask(root / "masks" / "1.png", labels(1, 255, 2), palette=palette)
    report = check(root)
    report.raise_if_bad()
    assert report.class_pixels[1] == 46


def test_palette_png_of_a_stock_dataset_that_has_them(root):
    write_mask(root / "masks" / "1.png", labels(0, 1), palette=PALETTE)
    (root / "list.txt").write_text("0\n1\n")
    check(root, cls=PascalVOCDataset, ann_file="list.txt", metainfo={}).raise_if_bad()


def test_colour_that_no_class_has(root):
    for i in range(3):
        rgb = np.full((6, 8, 3), PALETTE[i], dtype=np.uint8)
        rgb[0, : i + 1] = (0, 0, 0)
        rgb[1, 0] = (9, 9, 9)
        write_mask(root / "masks" / f"{i}.png", rgb)
    errors = check(root, color_pipeline(ignore_colors=["#090909"])).errors
    assert [p.what for p in errors] == [
        f"holds #000000 ({n}), a colour that no class has" for n in ("1 pixel", "2 pixels", "3 pixels")
    ]
    assert "ignore_colors=['#000000']" in errors[0].mend
    assert "unknown='ignore'" in errors[0].mend

    report = check(root, color_pipeline(ignore_colors=["#090909"], unknown="ignore"))
    assert report.errors == []
    assert report.ignored_colors == {"#000000": 6, "#090909": 3}
    problem = only(report.warnings)
    assert "#000000, which no class has, is ignored: 6 pixels, in 0.png, 1.png, 2.png" in problem.what
    assert report.class_pixels == [46, 45, 44]


def test_index_mask_where_colours_are_expected(root):
    problem = check(root, color_pipeline()).errors[0]
    assert "holds #000000 (47 pixels), #FFFFFF (1 pixel), colours that no class has" in problem.what
    assert "read it with LoadAnnotations" in problem.mend


def test_palette_of_another_length_than_the_classes(root):
    errors = check(root, color_pipeline(PALETTE[:2], unknown="ignore")).errors
    problem = next(p for p in errors if p.kind == "palette")
    assert problem.what == "the palette has 2 colours for 3 classes"
    assert "field, water, road" in problem.mend


def test_chosen_classes_of_a_colour_mask_are_those_that_loading_makes(root):
    class ThreeClasses(BaseSegDataset):
        METAINFO = {"classes": CLASSES, "palette": [list(c) for c in PALETTE]}

    for i in range(3):
        rgb = np.full((6, 8, 3), PALETTE[i], dtype=np.uint8)
        write_mask(root / "masks" / f"{i}.png", rgb)
    chosen = {"cls": ThreeClasses, "metainfo": {"classes": ("road", "field")}}
    dataset = build(root, color_pipeline(), **chosen)
    report = check_dataset(dataset, use_cache=False)
    assert report.errors == []
    assert report.class_pixels == [48, 48]
    assert [np.unique(dataset[i]["gt_seg_map"]).tolist() for i in range(3)] == [[1], [255], [0]]
    problem = check(root, color_pipeline(PALETTE[:2], unknown="ignore"), **chosen).errors[0]
    assert problem.what == "the palette has 2 colours for 3 classes that the dataset has before metainfo chooses some"


def test_photograph_in_place_of_a_mask(root, monkeypatch):
    monkeypatch.setattr("mmseg_ext.data_check.file_facts.MAX_COLORS", 20)
    write_image(root / "masks" / "1.png")
    problem = next(p for p in check(root, color_pipeline(unknown="ignore")).errors if p.kind == "no mask")
    assert problem.path == str(root / "masks" / "1.png")
    assert "a mask saved as JPEG" in problem.what


def test_images_without_a_labelled_pixel(root):
    write_mask(root / "masks" / "1.png", labels(255))
    report = check(root)
    assert report.errors == []
    problem = only(report.warnings)
    assert problem.what == "1 of 3 images have no labelled pixel"
    assert problem.mend == "They are: 1.jpg."
    for i in range(3):
        write_mask(root / "masks" / f"{i}.png", labels(255))
    problem = only(check(root).errors)
    assert problem.what == "none of the 3 images has a labelled pixel"


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1", "LA"])
def test_images_that_the_stock_loader_turns_into_three_channels(root, mode):
    suffix = ".tif" if mode == "CMYK" else ".png"
    for i in range(3):
        write_image(root / "images" / f"{i}{suffix}", mode=mode)
    dataset = build(root, img_suffix=suffix)
    check_dataset(dataset, use_cache=False).raise_if_bad()
    assert dataset.pipeline.transforms[0](dataset.get_data_info(1))["img"].shape == (6, 8, 3)


def write_16_bit_rgb(path):
    import cv2

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
    assert "Save" in problem.mend
    if "5 bands" in what:  # OpenCV does not decode it at all
        return
    unchanged = [{**IMAGE, "color_type": "unchanged"}, INDEX[1]]
    assert check(root, unchanged, img_suffix=suffix).errors == []


@pytest.mark.parametrize("serialize_data", [False, True])
@pytest.mark.parametrize("images", ["images", "nowhere"])
def test_empty_dataset_names_the_folders(root, images, serialize_data):
    (root / "nowhere").mkdir()
    prefix = {"img_path": images, "seg_map_path": "masks"}
    dataset = build(root, data_prefix=prefix, img_suffix=".none", serialize_data=serialize_data, lazy_init=True)
    if not serialize_data:
        dataset.full_init()
        (root / "nowhere").rmdir()
    problem = only(check_dataset(dataset, use_cache=False).errors)
    assert problem.path == str(root / images)
    assert f"found no image-mask pairs (masks looked for in {root / 'masks'})" in problem.what
    assert "images named *.none and masks named *.png" in problem.mend
    assert ("does not exist" in problem.mend) == (not (root / images).exists())


def test_pipeline_that_loads_masks_of_a_dataset_without(root):
    problem = only(check(root, data_prefix={"img_path": "images"}).errors)
    assert "3 of 3 images have no mask in the list" in problem.what
    assert "seg_map_path" in problem.mend
    report = check(root, [IMAGE], data_prefix={"img_path": "images"})
    assert (report.errors, report.num_images, report.num_masks) == ([], 3, 0)
    assert "no labels" in report.summary()


def test_masks_loaded_inside_test_time_augmentation_are_checked(root):
    tta = {
        "type": "mmseg.TestTimeAug",
        "transforms": [[{"type": "mmseg.Resize", "scale_factor": 1.0, "keep_ratio": True}], [INDEX[1]]],
    }
    assert check(root, [IMAGE, tta]).num_masks == 3


def test_loader_that_contradicts_its_dataset(root):
    pipeline = [IMAGE, {**INDEX[1], "reduce_zero_label": True}]
    with pytest.warns(UserWarning, match="reduce_zero_label"):
        dataset = build(root, pipeline)
    problem = next(p for p in check_dataset(dataset, use_cache=False).errors if p.path == "LoadAnnotations")
    assert problem.what == "it has reduce_zero_label=True, but its dataset False"


class LoadEverywhereWater:
    """A loader of labels that have no file of their own."""

    def __call__(self, results):
        return results

    def check_file(self, results):
        if results["img_path"].endswith("2.jpg"):
            raise UserError("no points were clicked")
        problems = [Problem(results["img_path"], "a point lies outside", "Click again.")] * results[
            "img_path"
        ].endswith("1.jpg")
        height, width = results["img_shape"]
        return LabelFileReport(counts={1: height, 255: width}, problems=problems)


def test_loader_that_looks_at_its_own_files(root):
    report = check(root, [IMAGE, LoadEverywhereWater()])
    assert [str(p).replace(str(root), "") for p in report.errors] == [
        "/images/1.jpg: a point lies outside. Click again.",
        "/images/2.jpg: no points were clicked.",
    ]
    assert report.class_pixels == [0, 12, 0]
    assert (report.num_pixels, report.num_labelled_pixels) == (96, 12)


def test_wrapped_datasets_are_counted_once(root):
    inner = build(root)
    other = build(root, indices=1)
    report = check_dataset(ConcatDataset([inner, inner, other]), use_cache=False)
    assert (report.num_images, report.num_masks) == (4, 4)
    assert report.class_pixels == [94, 47, 47]
    assert check_dataset(RepeatDataset(inner, times=7), use_cache=False).class_pixels == [47, 47, 47]


def test_files_that_are_not_on_this_machine_are_not_checked(root):
    dataset = build(root)
    dataset.backend_args = {"backend": "petrel"}
    report = check_dataset(dataset, use_cache=False)
    assert report.errors == []
    assert "not on a disk of this machine" in only(report.warnings).what
    assert "not checked" in only(check_dataset([1, 2], use_cache=False).warnings).mend


def count_reads(monkeypatch):
    read = []
    from mmseg_ext.data_check import check as module

    for kind, (noun, function) in list(module._READERS.items()):

        def spy(path, backend, function=function):
            read.append(Path(path).name)
            return function(path, backend)

        monkeypatch.setitem(module._READERS, kind, (noun, spy))
    return read


def test_cache_reads_changed_files_alone(root, tmp_path, monkeypatch):
    read = count_reads(monkeypatch)
    cache = tmp_path / "cache"

    def run(*args, **kwargs):
        read.clear()
        report = check_dataset(build(root, *args, **kwargs), cache_dir=cache)
        return report, sorted(read)

    first, files = run()
    assert first.from_cache == 0
    assert files == ["0.jpg", "0.png", "1.jpg", "1.png", "2.jpg", "2.png"]
    second, files = run()
    assert (second.from_cache, files) == (3, [])
    assert {**second.to_dict(), "seconds": 0, "from_cache": 0} == {**first.to_dict(), "seconds": 0}

    write_mask(root / "masks" / "1.png", labels(9))
    os.utime(root / "masks" / "1.png", ns=(1, 1))  # older than before: any change counts
    third, files = run()
    assert (third.from_cache, files) == (2, ["1.png"])
    assert "label 9" in only(third.errors).what

    # Other classes, another palette or loader: judged anew from what is known, nothing is read.
    fourth, files = run(metainfo={"classes": CLASSES[:2]})
    assert files == []
    assert [Path(p.path).name for p in fourth.errors] == ["1.png", "2.png"]
    fifth, files = run(color_pipeline([(0, 0, 0), (1, 1, 1), (2, 2, 2)], ignore_colors=["#FFFFFF"]))
    assert files == []
    assert "#090909" in only(fifth.errors).what


def test_unreadable_files_are_read_again_each_time(root, tmp_path):
    path = root / "images" / "1.jpg"
    data = path.read_bytes()
    path.write_bytes(data[:-20])
    for _ in range(2):
        report = check_dataset(build(root), cache_dir=tmp_path / "cache")
        assert "truncated" in only(report.errors).what
    assert report.from_cache == 2


@pytest.mark.parametrize("damage", [b"", b"rubbish", "half", b'{"format": 0}'])
def test_damaged_cache_is_ignored(root, tmp_path, damage):
    check_dataset(build(root), cache_dir=tmp_path / "cache")
    path = only(list((tmp_path / "cache").iterdir()))
    path.write_bytes(path.read_bytes()[:60] if damage == "half" else damage)
    report = check_dataset(build(root), cache_dir=tmp_path / "cache")
    assert (report.from_cache, report.warnings) == (0, [])
    assert check_dataset(build(root), cache_dir=tmp_path / "cache").from_cache == 3


def test_cache_folder_that_cannot_be_written_is_a_warning(root, tmp_path):
    (tmp_path / "file").write_text("in the way")
    report = check_dataset(build(root), cache_dir=tmp_path / "file")
    assert report.errors == []
    problem = only(report.warnings)
    assert str(tmp_path / "file") in problem.path
    assert "cannot be written" in problem.what


def test_default_cache_folder_honours_xdg(root, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    check_dataset(build(root))
    assert only(list((tmp_path / "xdg" / "mmseg_ext").iterdir())).name.startswith("data_check-images-")


def test_random_state_is_left_alone(root):
    import torch

    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    check(root)
    assert before == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())


def test_errors_show_each_kind_before_a_second_of_one():
    problems = [Problem(f"{i}.png", "the mask is missing", "Add it.", "mask missing") for i in range(20)]
    problems.append(Problem("x.jpg", "is truncated", "Copy it.", "image unreadable"))
    with pytest.raises(UserError) as caught:
        raise_for_problems(problems, max_shown=3)
    assert str(caught.value).splitlines() == [
        "0.png: the mask is missing. Add it.",
        "x.jpg: is truncated. Copy it.",
        "1.png: the mask is missing. Add it.",
        "… and 18 more: mask missing (18)",
    ]
    raise_for_problems([])


def test_progress_is_called_for_every_image_and_shown_only_when_slow(root):
    calls, lines = [], []
    check_dataset(build(root), use_cache=False, progress=lambda *args: calls.append(args))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    with ProgressDisplay("Checking", lines.append, terminal=False) as display:
        display(1, 3)
    assert lines == []
    with ProgressDisplay("Checking", lines.append, delay=0, terminal=False) as display:
        display(1, 3)
        display(2, 3)
    assert lines == ["Checking: 1 of 3"]


def test_bar_on_a_terminal(capsys):
    with ProgressDisplay("Checking", pytest.fail, delay=0, terminal=True) as display:
        display(1, 3)
        display(2, 3)
        assert display._bar.tasks[0].completed == 2


# The real images


@pytest.fixture
def dubai():
    if not DUBAI.is_dir():
        pytest.skip(f"the Dubai images are not at {DUBAI}")
    return DUBAI


def build_dubai(tile, pipeline):
    metainfo = {"classes": DUBAI_CLASSES, "palette": [[0, 0, i] for i in range(5)]}
    return build(DUBAI / f"tile_{tile}", pipeline, metainfo=metainfo)


def all_tiles(pipeline):
    return ConcatDataset([build_dubai(tile, pipeline) for tile in range(1, 7)])


@pytest.mark.parametrize("tile", [2, 4])
def test_dubai_palette_tiles_are_refused_as_indices(dubai, tile):
    report = check_dataset(build_dubai(tile, INDEX), use_cache=False)
    assert len(report.errors) == 9
    assert {p.kind for p in report.errors} == {"palette PNG"}
    assert "#8429F6" in report.errors[0].what
    assert report.num_labelled_pixels == 0


def test_dubai_colour_masks_are_refused_as_indices(dubai):
    report = check_dataset(build_dubai(1, INDEX), use_cache=False)
    assert {p.kind for p in report.errors} == {"colour mask"}
    assert len(report.errors) == 9


def test_dubai_black_is_found_and_counted(dubai):
    errors = check_dataset(all_tiles(color_pipeline(DUBAI_PALETTE, ignore_colors=["#9B9B9B"])), use_cache=False).errors
    found = {str(Path(p.path).relative_to(dubai)): p.what for p in errors}
    assert found["tile_3/masks/image_part_006.png"] == "holds #000000 (302 pixels), a colour that no class has"
    assert len(found) == 5
    assert {name[:6] for name in found} == {"tile_3", "tile_5", "tile_6"}


def test_dubai_statistics_equal_those_of_the_loaded_labels(dubai):
    dataset = all_tiles(color_pipeline(DUBAI_PALETTE, ignore_colors=["#9B9B9B"], unknown="ignore"))
    one = check_dataset(dataset, use_cache=False, num_workers=1)
    two = check_dataset(dataset, use_cache=False, num_workers=2)
    assert {**one.to_dict(), "seconds": 0} == {**two.to_dict(), "seconds": 0}
    one.raise_if_bad()
    assert (one.num_images, one.num_masks) == (54, 54)
    assert one.ignored_colors["#000000"] == 1675
    assert (one.min_size, one.max_size) == ((544, 509), (1058, 1126))
    palette = [tuple(bytes.fromhex(c[1:])) for c in DUBAI_PALETTE]
    expected = np.zeros(256, dtype=np.int64)
    for path in sorted(dubai.glob("tile_[234]/masks/*.png")):
        expected += np.bincount(colors_to_indices(read_rgb_mask(path), palette)[0].ravel(), minlength=256)
    some = ConcatDataset(dataset.datasets[1:4])
    assert check_dataset(some, use_cache=False).class_pixels == expected[:5].tolist()


def test_dubai_masks_of_one_name_are_told_apart(dubai):
    from mmseg_ext.datasets import DubaiAerialDataset

    dataset = DubaiAerialDataset(
        data_root=str(dubai),
        split="train",
        pipeline=color_pipeline(DUBAI_PALETTE, ignore_colors=["#9B9B9B"], unknown="ignore"),
    )
    report = check_dataset(dataset, use_cache=False)
    report.raise_if_bad()
    assert report.num_images == 36
    assert "in tile_3/masks/image_part_006.png, tile_5/masks/image_part_002.png, " in only(report.warnings).what


def test_facts_of_a_palette_mask_serve_both_readings(dubai):
    facts = read_mask_facts(str(dubai / "tile_2/masks/image_part_001.png"))
    assert facts.mode == "P"
    rgb = read_rgb_mask(dubai / "tile_2/masks/image_part_001.png")
    colors, counts = np.unique(rgb.reshape(-1, 3), axis=0, return_counts=True)
    assert facts.colors() == {
        int(r) << 16 | int(g) << 8 | int(b): int(n) for (r, g, b), n in zip(colors, counts, strict=True)
    }
    assert read_image_facts(str(dubai / "tile_2/images/image_part_001.jpg")).height == facts.height
    spec = LabelSpec(("a", "b"), allow_palette=True)
    assert judge_mask("m.png", facts, spec).problems[0].kind == "label outside the classes"
