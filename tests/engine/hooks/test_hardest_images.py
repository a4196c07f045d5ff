import numpy as np

from mmseg_ext.engine.hooks.hardest_images import HardestImages
from mmseg_ext.masks.class_maps import pack_labels, unpack_labels

TRUTH_HW = np.array([[0, 0, 1, 1], [0, 0, 1, 255]], np.uint8)


def prediction(num_wrong):
    """The truth with so many pixels of class 0 called 1."""
    predicted_HW = np.where(TRUTH_HW == 255, 0, TRUTH_HW)
    flat = np.flatnonzero(TRUTH_HW == 0)[:num_wrong]
    predicted_HW.flat[flat] = 1
    return predicted_HW.astype(np.uint8)


def test_the_worst_images_of_each_class_are_kept_worst_first():
    hardest = HardestImages(num_classes=3, per_class=2, min_pixels=1)
    for name, num_wrong in (("a", 1), ("b", 3), ("c", 0), ("d", 2), ("e", 3)):
        hardest.add(name, prediction(num_wrong), TRUTH_HW)
    assert sorted(hardest.of_class) == [0, 1], "class 2 is in no truth"
    assert [(h.img_path, h.iou) for h in hardest.of_class[0]] == [("b", 25.0), ("e", 25.0)]
    assert [(h.img_path, h.iou) for h in hardest.of_class[1]] == [("b", 50.0), ("e", 50.0)]
    first = hardest.of_class[0][0]
    assert (unpack_labels(first.prediction_png) == prediction(3)).all()
    assert (unpack_labels(first.truth_png) == TRUTH_HW).all()


def test_images_with_little_of_a_class_do_not_count():
    hardest = HardestImages(num_classes=2, per_class=1, min_pixels=4)
    hardest.add("a", prediction(1), TRUTH_HW)
    assert list(hardest.of_class) == [0]


def test_what_several_processes_saw_is_the_same_as_one():
    one = HardestImages(2, 2, 1)
    parts = [HardestImages(2, 2, 1), HardestImages(2, 2, 1)]
    for index, num_wrong in enumerate((1, 3, 2, 0, 3)):
        for hardest in (one, parts[index % 2]):
            hardest.add(f"{index}", prediction(num_wrong), TRUTH_HW)
    parts[1].add("0", prediction(1), TRUTH_HW)  # a padded sampler shows an image twice
    parts[0].merge(parts[1])
    parts[0].merge(parts[0])
    assert parts[0].of_class == one.of_class


def test_label_maps_survive_packing():
    for labels_HW in (TRUTH_HW, TRUTH_HW.astype(np.int64) * 200):
        assert (unpack_labels(pack_labels(labels_HW)) == labels_HW).all()
