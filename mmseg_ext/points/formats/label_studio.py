"""Keypoints as Label Studio exports them, "JSON" and "JSON-MIN": coordinates are percent of the image."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from mmseg_ext.errors import UserError
from mmseg_ext.points.formats.marks import Mark, Marks, mark_error, only_label, read_number

KEYPOINTS = "keypointlabels"


def is_label_studio(content: Any) -> bool:
    """Whether a JSON file is an export of Label Studio: a list of tasks."""
    task = content[0] if isinstance(content, list) and content else None
    return isinstance(task, dict) and ("annotations" in task or "completions" in task or "id" in task)


def read_label_studio(path: Path, tasks: Any) -> Marks:
    """Read the keypoints of all annotations that were not cancelled; predictions of models are left out.

    Raises:
        UserError: A task names no image, or a keypoint is not as it should be.
    """
    found = Marks()
    for number, task in enumerate(tasks, 1):
        where = f"task {task.get('id', number)}" if isinstance(task, dict) else f"task {number}"
        if not isinstance(task, dict):
            raise mark_error(path, where, "a task", repr(task))
        image = None
        for kind, result in _results(task, found):
            value = result.get("value", result)
            if kind not in (KEYPOINTS, "keypoint"):
                found.left_out[kind] += 1
                continue
            if result.get("image_rotation"):
                fix = "Turn it back in Label Studio, and export again."
                raise mark_error(path, where, "an image that was not rotated", f"{result['image_rotation']}°", fix)
            label = only_label(value.get(KEYPOINTS, value.get("labels")), path, where)
            image = image or _image_of(task, path, where)
            x, y = (read_number(value.get(name), path, where, name) for name in ("x", "y"))
            found.marks.append(Mark(image, x, y, label, where, "percent"))
    return found


def _results(task: dict, found: Marks) -> Iterator[tuple[str, dict]]:
    """Yield the kind and the content of each result of a task."""
    if "data" not in task:  # JSON-MIN: the results stand under the names of the tags
        for value in task.values():
            for result in value if isinstance(value, list) else ():
                if isinstance(result, dict) and "x" in result:
                    kind = next((key for key in result if key.endswith("labels")), "without a label")
                    yield kind, result
        return
    for annotation in task.get("annotations") or task.get("completions") or ():
        if annotation.get("was_cancelled"):
            found.left_out["cancelled annotation"] += 1
            continue
        for result in annotation.get("result") or ():
            kind = str(result.get("type"))
            if kind == "labels" and "width" in result.get("value", {}) and "height" not in result["value"]:
                kind = "keypoint"  # a KeyPoint tag beside a Labels tag
            if kind == "keypoint" and "labels" not in result["value"]:
                kind = "keypoint without a label"
            yield kind, result


def _image_of(task: dict, path: Path, where: str) -> str:
    """Find what a task calls its image, without the address of the server."""
    data = task.get("data", task)
    texts = [value for value in data.values() if isinstance(value, str)]
    named = [data.get(key) for key in ("image", "img") if isinstance(data.get(key), str)]
    suffixed = [text for text in texts if Path(urlsplit(text).path).suffix or "?d=" in text]
    if not (named or suffixed):
        raise UserError(f"{path}, {where}: expected the address of its image in `data`, found none.")
    address = urlsplit((named or suffixed)[0])
    local = parse_qs(address.query).get("d")  # local storage: /data/local-files/?d=folder/a.jpg
    return local[0] if local else unquote(address.path)
