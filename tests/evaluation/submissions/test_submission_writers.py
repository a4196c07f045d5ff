"""The writers in mmengine's hands: what is in the files, who is named how, what is compared, what is refused."""

import csv
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import shapely
import torch
from mmengine.logging import MMLogger
from PIL import Image
from scipy import ndimage
from sklearn.metrics import f1_score, jaccard_score
from two_processes import run_two_processes

from mmseg_ext.errors import UserError
from mmseg_ext.evaluation import ADE20KSubmission, LoveDASubmission, PolygonSubmission, RLESubmission
from mmseg_ext.evaluation.submissions import decode_rle, polygons_to_mask
from mmseg_ext.evaluation.submissions.mask_submission import foreground_scores
from mmseg_ext.registry import METRICS

BINARY = ("background", "building")
OUTPUTS = {
    RLESubmission: "out.csv",
    PolygonSubmission: "out.csv",
    LoveDASubmission: "out.zip",
    ADE20KSubmission: "out",
}
CLASSES = {
    RLESubmission: BINARY,
    PolygonSubmission: BINARY,
    LoveDASubmission: tuple("abcdefg"),
    ADE20KSubmission: tuple(f"class {i}" for i in range(150)),
}


def sample(path, prediction, labels=None, dtype=torch.long):
    prediction = torch.as_tensor(prediction, dtype=dtype)
    made = {"img_path": str(path), "ori_shape": tuple(prediction.shape), "pred_sem_seg": {"data": prediction[None]}}
    if labels is not None:
        made["gt_sem_seg"] = {"data": torch.as_tensor(labels)[None]}
    return made


def random_samples(num_classes, count=5, seed=0):
    """Images of two folders, two of them of one name, one without anything but class 0, one without labels."""
    rng = np.random.default_rng(seed)
    samples = []
    for i in range(count):
        shape = (6 + i, 9)
        prediction, labels = rng.integers(0, num_classes, (2, *shape))
        labels = np.where(rng.random(shape) < 0.6, prediction, labels)
        labels[rng.random(shape) < 0.1] = 255
        if i == 1:
            prediction[:] = 0
        folder, name = ("urban", "rural")[i % 2], f"{max(i, 1)}.png"
        samples.append(sample(f"/data/{folder}/{name}", prediction, None if i == 2 else labels))
    return samples


def write(kind, samples, output, batch_size=1, order=None, **kwargs):
    writer = METRICS.build({"type": f"mmseg_ext.{kind.__name__}", "output": str(output), **kwargs})
    writer.dataset_meta = {"classes": CLASSES[kind]}
    order = range(len(samples)) if order is None else order
    shuffled = [samples[i] for i in order]
    for i in range(0, len(shuffled), batch_size):
        writer.process({}, shuffled[i : i + batch_size])
    return writer.evaluate(len(samples))


def content(path):
    """All bytes that a writer wrote, by name."""
    files = sorted(path.rglob("*")) if path.is_dir() else sorted(path.parent.glob(f"{path.stem}.*"))
    return {file.name: file.read_bytes() for file in files}


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def named(samples):
    """Predictions by the name they should bear in a CSV file."""
    found = {}
    for s in samples:
        path = Path(s["img_path"])
        found[f"{path.parent.name}/1" if path.stem == "1" else path.stem] = s["pred_sem_seg"]["data"][0].numpy()
    return found


@pytest.mark.parametrize("kind", OUTPUTS)
def test_batch_size_and_order_make_no_difference(tmp_path, kind):
    samples = random_samples(len(CLASSES[kind]))
    first = write(kind, samples, tmp_path / "a" / OUTPUTS[kind])
    second = write(kind, samples, tmp_path / "b" / OUTPUTS[kind], batch_size=3, order=[3, 1, 4, 0, 2])
    assert first == second
    assert content(tmp_path / "a" / OUTPUTS[kind]) == content(tmp_path / "b" / OUTPUTS[kind])
    assert len(content(tmp_path / "a" / OUTPUTS[kind])) > 0


def test_rle_rows_are_the_predictions(tmp_path):
    samples = random_samples(2)
    scores = write(RLESubmission, samples, tmp_path / "out.csv")
    header, *rows = rows_of(tmp_path / "out.csv")
    assert header == ["ImageId", "EncodedPixels"]
    expected = named(samples)
    assert [name for name, _ in rows] == sorted(expected) == ["2", "3", "4", "rural/1", "urban/1"]
    assert ["rural/1", ""] in rows  # nothing found
    for name, rle in rows:
        np.testing.assert_array_equal(decode_rle(rle, expected[name].shape), expected[name])
    assert_foreground_scores(scores, "rle", samples)


def assert_foreground_scores(scores, prefix, samples):
    pairs = [(s["gt_sem_seg"]["data"].numpy(), s["pred_sem_seg"]["data"].numpy()) for s in samples if "gt_sem_seg" in s]
    truth = np.concatenate([t[t != 255] for t, _ in pairs])
    found = np.concatenate([p[t != 255] for t, p in pairs])
    per_image = [f1_score(t[t != 255], p[t != 255], zero_division=1.0) for t, p in pairs]
    expected = {"IoU": jaccard_score(truth, found), "Dice": f1_score(truth, found), "ImageDice": np.mean(per_image)}
    assert scores == {f"{prefix}/{name}": pytest.approx(100 * value, abs=0.0051) for name, value in expected.items()}


def test_one_sigmoid_channel_and_another_class(tmp_path):
    write(RLESubmission, [sample("1.png", [[0.0, 1.0]], dtype=torch.float32)], tmp_path / "one.csv")
    assert rows_of(tmp_path / "one.csv")[1:] == [["1", "2 1"]]
    write(
        RLESubmission,
        [sample("1.png", [[0, 1]])],
        tmp_path / "other.csv",
        class_index=0,
        columns=["img", "rle_mask"],
        keep_suffix=True,
    )
    assert rows_of(tmp_path / "other.csv") == [["img", "rle_mask"], ["1.png", "1 1"]]


def test_polygon_rows_are_the_predictions(tmp_path):
    samples = random_samples(2)
    scores = write(PolygonSubmission, samples, tmp_path / "out.csv")
    header, *rows = rows_of(tmp_path / "out.csv")
    assert header == ["ImageId", "PolygonWKT"]
    expected = named(samples)
    assert [name for name, _ in rows] == sorted(expected)
    assert ["rural/1", "MULTIPOLYGON EMPTY"] in rows
    features = json.loads((tmp_path / "out.geojson").read_text())
    assert features["type"] == "FeatureCollection"
    for (name, text), feature in zip(rows, features["features"], strict=True):
        polygons = shapely.from_wkt(text)
        assert polygons.is_valid
        np.testing.assert_array_equal(polygons_to_mask(polygons.geoms, expected[name].shape), expected[name])
        assert feature["properties"] == {"image": name}
        assert shapely.from_geojson(json.dumps(feature["geometry"])).equals(polygons)
    assert_foreground_scores(scores, "polygons", samples)


def test_simplified_polygons_are_scored_as_they_are(tmp_path):
    y, x = np.mgrid[:40, :40]
    disk = ((y - 20) ** 2 + (x - 20) ** 2 < 200).astype(int)
    MMLogger.get_instance("simplified", log_file=str(tmp_path / "run.log"))
    scores = write(PolygonSubmission, [sample("1.png", disk, disk)], tmp_path / "out.csv", tolerance=3)
    (_, text) = rows_of(tmp_path / "out.csv")[1]
    drawn = polygons_to_mask(shapely.from_wkt(text).geoms, disk.shape)
    expected = 100 * jaccard_score(disk.ravel(), drawn.ravel())
    assert 70 < expected < 99
    assert scores["polygons/IoU"] == pytest.approx(expected, abs=0.0051)
    assert f"the lowest agreement with the predictions is {expected:.2f} % (1)" in (tmp_path / "run.log").read_text()


def read_png(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image)


def test_loveda_is_a_flat_archive_of_0_to_6(tmp_path):
    samples = random_samples(7)
    scores = write(LoveDASubmission, samples, tmp_path / "out.zip")
    expected = {f"{name.replace('/', '_')}.png": values for name, values in named(samples).items()}
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.namelist() == sorted(expected)
        for name in archive.namelist():
            np.testing.assert_array_equal(read_png(archive.read(name)), expected[name])
    assert set(np.unique(np.concatenate([v.ravel() for v in expected.values()]))) == set(range(7))
    pairs = [(s["gt_sem_seg"]["data"].numpy(), s["pred_sem_seg"]["data"].numpy()) for s in samples if "gt_sem_seg" in s]
    truth = np.concatenate([t[t != 255] for t, _ in pairs])
    found = np.concatenate([p[t != 255] for t, p in pairs])
    expected_scores = {"mIoU": jaccard_score(truth, found, average="macro"), "aAcc": (truth == found).mean()}
    assert scores == {f"loveda/{n}": pytest.approx(100 * v, abs=0.0051) for n, v in expected_scores.items()}


def test_ade20k_counts_from_1(tmp_path):
    samples = random_samples(150)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "stale.png").touch()
    MMLogger.get_instance("ade20k", log_file=str(tmp_path / "run.log"))
    write(ADE20KSubmission, samples, tmp_path / "out")
    for name, values in named(samples).items():
        written = read_png((tmp_path / "out" / f"{name.replace('/', '_')}.png").read_bytes())
        np.testing.assert_array_equal(written, values + 1)
        assert written.dtype == np.uint8
    assert "1 files that this run did not write, such as stale.png" in (tmp_path / "run.log").read_text()


def test_a_relative_path_lies_in_the_log_folder(tmp_path):
    (tmp_path / "log").mkdir()
    MMLogger.get_instance("relative", log_file=str(tmp_path / "log" / "run.log"))
    write(RLESubmission, [sample("1.png", [[0]]), sample("2.png", [[1]])], "out.csv")
    assert rows_of(tmp_path / "log" / "out.csv")[1:] == [["1", ""], ["2", "1 1"]]
    assert "2 images written to" in (tmp_path / "log" / "run.log").read_text()
    assert "1 of them without a positive pixel" in (tmp_path / "log" / "run.log").read_text()


def test_without_masks_there_is_no_score(tmp_path):
    assert write(RLESubmission, [sample("1.png", [[0, 1]])], tmp_path / "out.csv") == {}


def test_images_without_foreground_score_100_each():
    confusions = np.array([[[5, 0], [0, 0]], [[3, 1], [0, 1]]])
    scores = foreground_scores(confusions)
    assert scores == {"IoU": 50.0, "Dice": pytest.approx(200 / 3), "ImageDice": pytest.approx(100 * (1 + 2 / 3) / 2)}
    assert np.isnan(foreground_scores(confusions[:1])["IoU"])


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OUTPUTS)
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (sample("/data/bad.png", [[0, 200]]), "predictions in 0"),
        (sample("/data/bad.png", [[0, 0.5]], dtype=torch.float32), "whole numbers"),
        (sample("/data/bad.png", [[0, float("nan")]], dtype=torch.float32), "whole numbers"),
        (sample("/data/bad.png", [[0, 1]], [[0, 200]]), "labels in 0"),
        (sample("/data/bad.png", [[0, 1]], [[0, 1, 1]]), r"mask of the image's size \(1, 2\), got \(1, 3\)"),
        ({**sample("/data/bad.png", [[0, 1]]), "ori_shape": (2, 4)}, r"original size \(2, 4\), got \(1, 2\)"),
    ],
)
def test_other_values_and_sizes_name_the_file(tmp_path, kind, bad, message):
    with pytest.raises(UserError, match=rf"/data/bad\.png: .*{message}"):
        write(kind, [sample("/data/good.png", [[0, 1]]), bad], tmp_path / OUTPUTS[kind])
    assert list(tmp_path.iterdir()) == []


def test_the_same_image_twice_is_one_row_unless_predictions_differ(tmp_path):
    one = sample("/a/1.png", [[0, 1]])
    write(RLESubmission, [one, one], tmp_path / "out.csv")
    assert rows_of(tmp_path / "out.csv")[1:] == [["1", "2 1"]]
    with pytest.raises(UserError, match=r"one prediction for /a/1\.png, got two"):
        write(RLESubmission, [one, sample("/a/1.png", [[1, 1]])], tmp_path / "out.csv")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"type": "RLESubmission", "columns": ["id"]}, "`columns` to be a list .a string, a string., got"),
        ({"type": "PolygonSubmission", "columns": ["id"]}, "`columns` to be a list .a string, a string., got"),
        ({"type": "PolygonSubmission", "tolerance": -1}, "`tolerance` to be a non-negative number, got -1"),
        ({"type": "PolygonSubmission", "output": "a.geojson"}, "name the CSV file"),
    ],
)
def test_settings_that_make_no_sense(config, message):
    with pytest.raises(UserError, match=message):
        METRICS.build({**config, "type": f"mmseg_ext.{config['type']}"})


@pytest.mark.parametrize(
    ("writer", "classes", "message"),
    [
        (RLESubmission(class_index=2), BINARY, r"`class_index` of RLESubmission in 0\.\.1, got 2"),
        (LoveDASubmission(), BINARY, "dataset of 7 classes for LoveDASubmission, got 2"),
        (ADE20KSubmission(), BINARY, "dataset of 150 classes for ADE20KSubmission, got 2"),
    ],
)
def test_another_dataset_is_refused(writer, classes, message):
    writer.dataset_meta = {"classes": classes}
    with pytest.raises(UserError, match=message):
        writer.process({}, [sample("1.png", [[0, 1]])])


class Forgetful(RLESubmission):
    """A writer whose file is not what was predicted."""

    def encode(self, prediction_HW):
        return "1 1"


class Lossy(PolygonSubmission):
    def encode(self, prediction_HW):
        return super().encode(np.pad(prediction_HW[1:], ((0, 1), (0, 0))))


@pytest.mark.parametrize("kind", [Forgetful, Lossy])
def test_a_file_that_reads_back_differently_is_an_error(tmp_path, kind):
    writer = kind(str(tmp_path / "out.csv"))
    writer.dataset_meta = {"classes": BINARY}
    writer.process({}, [sample("/a/1.png", [[1, 1], [0, 1]])])
    with pytest.raises(RuntimeError, match=r"out\.csv does not read back as /a/1\.png was predicted"):
        writer.evaluate(1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ImageId,Mask\n1,1 1\n", "columns ImageId, EncodedPixels, got ImageId, Mask"),
        ("ImageId,EncodedPixels\n1\n", r"out\.csv:2: Expected 2 fields, got 1"),
        ("ImageId,EncodedPixels\nother,1 1\n", "images of the test set, got 'other'"),
        ("ImageId,EncodedPixels\n1,1 9\n", r"out\.csv: 1: Expected runs"),
    ],
)
def test_a_run_length_file_that_is_none(tmp_path, text, message):
    (tmp_path / "out.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        list(RLESubmission().read(tmp_path / "out.csv", {"1": (2, 2)}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("POINT (1 1)", "Expected a MULTIPOLYGON, got 'POINT"),
        ("MULTIPOLYGON (((0 0, 1 1, 2 2, 0 0)))", "1: Expected a polygon with an area at place 0"),
    ],
)
def test_a_polygon_file_that_is_none(tmp_path, text, message):
    (tmp_path / "out.csv").write_text(f'ImageId,PolygonWKT\n1,"{text}"\n')
    geometry = json.loads(shapely.to_geojson(shapely.from_wkt(text)))
    feature = {"type": "Feature", "properties": {"image": "1"}, "geometry": geometry}
    (tmp_path / "out.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    with pytest.raises(UserError, match=message):
        list(PolygonSubmission().read(tmp_path / "out.csv", {"1": (2, 2)}))


def test_two_polygon_files_that_differ(tmp_path):
    write(PolygonSubmission, [sample("1.png", [[1, 0]])], tmp_path / "out.csv")
    text = (tmp_path / "out.csv").read_text().replace("1 1", "1 2")
    (tmp_path / "out.csv").write_text(text)
    with pytest.raises(UserError, match=r"Expected the polygons of .*out\.csv for 1, got others"):
        list(PolygonSubmission().read(tmp_path / "out.csv", {"1": (1, 2)}))


# --- several processes ------------------------------------------------------------------------------------------------


def write_share(rank, store, folder, kind):
    """Write in one of two processes, to which mmengine's sampler deals out every second image, the first one twice."""
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    samples = random_samples(len(CLASSES[kind]))
    writer = kind(str(Path(folder) / OUTPUTS[kind]), collect_dir=str(Path(folder) / "parts"))
    writer.dataset_meta = {"classes": CLASSES[kind]}
    writer.process({}, [samples[index] for index in [0, 1, 2, 3, 4, 0][rank::2]])
    scores = writer.evaluate(len(samples))
    (Path(folder) / f"{rank}.scores").write_text(json.dumps(scores))
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("kind", OUTPUTS)
def test_two_processes_write_the_file_of_one(tmp_path, kind):
    folder = tmp_path / "two"
    folder.mkdir()
    run_two_processes(write_share, f"file://{tmp_path / 'store'}", str(folder), kind)
    scores = write(kind, random_samples(len(CLASSES[kind])), tmp_path / "one" / OUTPUTS[kind])
    assert content(folder / OUTPUTS[kind]) == content(tmp_path / "one" / OUTPUTS[kind])
    assert [json.loads((folder / f"{rank}.scores").read_text()) for rank in (0, 1)] == [scores, scores]


@pytest.mark.parametrize("kind", [RLESubmission, PolygonSubmission])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_predictions_are_written_like_others(tmp_path, kind, dtype):
    prediction = np.random.default_rng(0).integers(0, 2, (7, 9))
    for name, of_type in (("half", dtype), ("whole", torch.long)):
        write(kind, [sample("1.png", prediction, prediction, of_type)], tmp_path / name / "out.csv")
    assert content(tmp_path / "half" / "out.csv") == content(tmp_path / "whole" / "out.csv")


def test_a_prediction_of_no_class_is_an_error_with_its_name(tmp_path):
    with pytest.raises(UserError, match=r"7\.png: Expected predictions in 0\.\.1, got \[-1\] at 1 pixels"):
        write(RLESubmission, [sample("7.png", [[0, -1]])], tmp_path / "out.csv")


def test_simplified_polygons_of_a_row_are_valid_together(tmp_path):
    mask_HW = ndimage.gaussian_filter(np.random.default_rng(58).random((60, 70)), 1.2) > 0.5
    write(PolygonSubmission, [sample("1.png", mask_HW)], tmp_path / "out.csv", tolerance=4.0)
    ((_, text),) = rows_of(tmp_path / "out.csv")[1:]
    assert shapely.from_wkt(text).is_valid
