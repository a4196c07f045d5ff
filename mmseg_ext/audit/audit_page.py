"""One self-contained HTML page of the worst candidates, to be looked at and answered; it opens from disk."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from mmseg_ext.audit.auditing import Audit
from mmseg_ext.audit.candidate_list import ListedCandidate
from mmseg_ext.audit.candidate_pictures import draw_candidate
from mmseg_ext.audit.summary import AuditSummary
from mmseg_ext.errors import UserError
from mmseg_ext.escaping import printable
from mmseg_ext.pictures import encode_picture
from mmseg_ext.progress import ProgressDisplay

QUALITY = 70
"""Of the pictures' JPEG."""


def draw_pictures(audit: Audit, candidates: Sequence[ListedCandidate]) -> Iterator[tuple[int, np.ndarray]]:
    """Draw candidates, reading each image once.

    Yields:
        The place of a candidate in the list, and its panel (H, W, 3), uint8 RGB.
    """
    places: dict[str, list[int]] = {}
    for index, candidate in enumerate(candidates):
        places.setdefault(candidate.image, []).append(index)
    index_of = {name: index for index, name in enumerate(audit.images.names)}
    with ProgressDisplay("Drawing the places") as progress:
        for done, (name, indices) in enumerate(places.items(), 1):
            sample, record = audit.images.sample(index_of[name]), audit.folder.read(name)
            if record is None:
                raise UserError(f"Expected the record of {name} in {audit.folder.folder}, found none. Audit once more.")
            image_HWC = np.ascontiguousarray(sample["img"][..., ::-1])
            predicted_HW = audit.folder.read_prediction(name)
            for index in indices:
                found = record.candidates[candidates[index].place]
                labels_HW = sample["gt_seg_map"]
                yield index, draw_candidate(image_HWC, labels_HW, predicted_HW, found, audit.images.palette)
            progress(done, len(places))


def to_page(audit: Audit, candidates: Sequence[ListedCandidate], summary: AuditSummary, lines: Sequence[str]) -> str:
    """Return the page.

    Args:
        audit: Finished.
        candidates: Those to show, the worst first.
        summary: Shown above them.
        lines: What the page says first.
    """
    folder = resources.files(__package__) / "page"
    style, script, template = (
        (folder / name).read_text(encoding="utf-8")
        for name in ("audit_page.css", "audit_page.js", "audit_page.html.j2")
    )
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    classes = list(map(printable, audit.images.classes))
    encoded = {index: _encode(picture) for index, picture in draw_pictures(audit, candidates)}
    places = [_place(candidate, classes, encoded[index]) for index, candidate in enumerate(candidates)]
    page = environment.from_string(template).render(
        style=Markup(style),
        script=Markup(script),
        policy=f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'",
        lines=[*map(printable, lines), *summary.notes],
        summary=summary,
        kinds=list(dict.fromkeys(place["kind"] for place in places)),
        classes=classes,
        places=places,
        audit=audit_id(audit),
    )
    return page + "\n"


def audit_id(audit: Audit) -> str:
    """Name an audit by what it was made of: answers belong to it."""
    digest = hashlib.blake2b(digest_size=8)
    for name in audit.images.names:
        digest.update(ascii(name).encode())
    digest.update(ascii(audit.images.classes).encode())
    return digest.hexdigest()


def _encode(picture: np.ndarray) -> str:
    return base64.b64encode(encode_picture(picture, quality=QUALITY)).decode()


def _place(candidate: ListedCandidate, classes: Sequence[str], picture: str) -> dict[str, Any]:
    left, top, width, height = candidate.box
    label, predicted = classes[candidate.label], classes[candidate.predicted]
    what = f"labelled {label}, predicted {predicted}"
    if candidate.kind == "border":
        what = f"of {label} against {predicted}"
    elif candidate.kind == "swapped classes":
        what = f"{label} and {predicted}"
    elif candidate.kind == "other image's mask":
        what = "labels and image agree as by chance"
    return {
        "id": candidate.id,
        "kind": candidate.kind,
        "label": label,
        "predicted": predicted,
        "what": what,
        "image": printable(candidate.image),
        "where": f"{width} × {height} pixels at x {left}, y {top}",
        "score": f"{candidate.score:.2f}",
        "picture": picture,
    }
