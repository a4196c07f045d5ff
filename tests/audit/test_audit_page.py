"""The page in a browser: filters, keys, answers."""

import json

import numpy as np
import pytest
from conftest import SIZE, evidence_of, truth_of

from mmseg_ext.audit.audit_page import to_page
from mmseg_ext.audit.auditing import Audit
from mmseg_ext.audit.candidate_list import list_candidates
from mmseg_ext.audit.candidates import find_candidates
from mmseg_ext.audit.image_records import Cells, ImageRecord, RecordFolder, own_cells_of
from mmseg_ext.audit.summary import summarize

CLASSES = ["field", "<b>lake</b>", "house"]


class DrawnImages:
    """Three images; what the labels lack in the middle one is found by the model."""

    classes = CLASSES
    palette = [[0, 128, 0], [0, 0, 255], [200, 0, 0]]
    names = ["0.png", "x y/<i>1.png", "2.png"]

    def __len__(self):
        return 3

    def sample(self, index):
        labels_HW = truth_of(index)
        if index == 1:
            labels_HW[labels_HW == 2] = 0
        return {"img": np.full((SIZE, SIZE, 3), 90, np.uint8), "gt_seg_map": labels_HW}


@pytest.fixture
def page(tmp_path):
    images, folder = DrawnImages(), RecordFolder(tmp_path)
    for index, name in enumerate(images.names):
        labels_HW, predicted_HW = images.sample(index)["gt_seg_map"], truth_of(index)
        if index == 2:
            predicted_HW[predicted_HW == 1] = 0
        evidence = evidence_of(labels_HW, predicted_HW, 0.9)
        cells = Cells.of_pixels(labels_HW.ravel(), predicted_HW.ravel(), 3)
        found = [c._replace(score=0.9 - 0.1 * index) for c in find_candidates(evidence, cells.matrix(3))]
        own_cells = list(own_cells_of(found, labels_HW, predicted_HW, 3))
        record = ImageRecord("", 0, evidence.mean_loss(), cells, found, own_cells)
        folder.write(name, record, predicted_HW, np.array(images.palette, np.uint8))
    audit = Audit(images, folder, np.array([0, 1, 0]), 0.01, 3)
    candidates = list_candidates(audit.records())
    path = tmp_path / "index.html"
    path.write_text(to_page(audit, candidates, summarize(audit, candidates, "image"), ["three images"]))
    return path


def test_places_are_filtered_answered_and_saved(page, browser_page):
    browser_page.open(page)
    view = browser_page.page
    assert view.locator("article").count() == 2
    assert "1. missing object: labelled field, predicted house" in view.locator("article h2").nth(0).inner_text()
    assert "<b>lake</b>" in view.locator("article h2").nth(1).inner_text()
    assert "x y/<i>1.png" in view.locator("article p").nth(0).inner_text()
    assert view.evaluate("Array.from(document.images).every((image) => image.naturalWidth > 500)")
    view.keyboard.press("w")
    assert "wrong" in view.locator("article").nth(0).get_attribute("class")
    view.keyboard.press("u")
    assert "unsure" in view.locator("article").nth(1).get_attribute("class")
    assert view.locator("#count").inner_text() == "2 of 2 places, 2 answered"
    view.locator("select").nth(0).select_option("missing object")
    assert view.locator("article:visible").count() == 1
    view.locator("select").nth(0).select_option("")
    view.locator("select").nth(2).select_option("unsure")
    assert view.locator("article:visible").count() == 1
    with view.expect_download() as download:
        view.locator("#keep").click()
    saved = json.loads(download.value.path().read_text())
    ids = [view.locator("article").nth(n).get_attribute("id") for n in (0, 1)]
    assert saved["answers"] == {ids[0]: "wrong", ids[1]: "unsure"}
    view.reload()
    assert view.locator("#count").inner_text() == "2 of 2 places, 2 answered"
    assert browser_page.complaints == []


def test_the_summary_counts_what_is_in_doubt(page):
    text = page.read_text()
    assert "<td>house</td>" in text
    assert "<i>1.png" not in text
    assert "the worst" in text
