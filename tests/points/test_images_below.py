"""Images by their bare names."""

from mmseg_ext.points.images_below import images_by_bare_name


def test_masks_and_hidden_folders_are_left_out(tmp_path):
    names = [
        "a.png",
        "x/images/b.png",
        "y/images/b.png",
        "x/masks_png/c.png",
        "length/c.png",
        ".cache/a.png",
        "gt/a.png",
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert images_by_bare_name(str(tmp_path)) == {
        "a.png": ["a.png"],
        "b.png": ["x/images/b.png", "y/images/b.png"],
        "c.png": ["length/c.png"],
    }
