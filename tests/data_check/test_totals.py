"""Problems that only all files together show."""

from checked_datasets import check, labels, only, write_mask


def test_all_masks_missing_is_one_problem_that_names_the_suffix(root):
    problem = only(check(root, seg_map_suffix="_label.png").errors)
    assert problem.path == str(root / "masks")
    assert "none of the 3 masks is there" in problem.what
    assert "0_label.png" in problem.what
    assert "3 *.png: set seg_map_suffix" in problem.fix
    prefix = {"img_path": "images", "seg_map_path": "nowhere"}
    assert "does not exist" in only(check(root, data_prefix=prefix).errors).fix


def test_size_of_mask_and_image(root):
    write_mask(root / "masks" / "1.png", labels(1, size=(6, 9)))
    problem = only(check(root).errors)
    assert problem.path == str(root / "masks" / "1.png")
    assert "the mask is 6x9" in problem.what
    assert f"{root / 'images' / '1.jpg'} is 6x8" in problem.what
    assert "nearest-neighbour" in problem.fix


def test_labels_that_count_from_one(root):
    for i in range(3):
        write_mask(root / "masks" / f"{i}.png", labels(i + 1))
    report = check(root)
    kinds = [p.kind for p in report.errors]
    assert kinds == ["label outside the classes", "labels count from 1"]
    assert "labels up to 3, one more than 3 classes allow, and 0 never occurs" in report.errors[1].what
    assert "reduce_zero_label=True" in report.errors[1].fix
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
    assert "set reduce_zero_label=False" in problem.fix


def test_images_without_a_labelled_pixel(root):
    write_mask(root / "masks" / "1.png", labels(255))
    report = check(root)
    assert report.errors == []
    problem = only(report.warnings)
    assert problem.what == "1 of 3 images have no labelled pixel"
    assert problem.fix == "They are: 1.jpg."
    for i in range(3):
        write_mask(root / "masks" / f"{i}.png", labels(255))
    problem = only(check(root).errors)
    assert problem.what == "none of the 3 images has a labelled pixel"
