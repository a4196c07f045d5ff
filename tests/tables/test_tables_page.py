"""The HTML page, as text and in a headless Chromium: sort by a click, filter, hover a curve, names that are markup."""

from __future__ import annotations

import itertools
import json
import re
import struct
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import BrowserPage
from made_logs import MadeRun

from mmseg_ext.tables import TableOptions, make_tables, read_runs, write_tables
from mmseg_ext.tables.curves import ticks
from mmseg_ext.tables.score_page import to_page

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

NASTY = "<script>alert(1)<|script>&\"'_loveda"


def picture(path: Path, red: int) -> None:
    """Write a PNG of one color, 40 by 30 pixels."""
    rows = (b"\0" + bytes([red, 90, 160]) * 40) * 30

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    path.parent.mkdir(parents=True, exist_ok=True)
    head = struct.pack(">IIBBBBB", 40, 30, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


@pytest.fixture(scope="module")
def work_dirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("page") / "work_dirs"
    for index, (name, score) in enumerate((("fcn_loveda", 40.0), ("upernet_loveda", 55.0), ("psp_loveda", 9.5))):
        scores = ((100, score - 5), (200, score))
        work_dir = MadeRun(name=name, scores=scores, with_class_scalars=True).write(root)
        for number in range(6):
            picture(work_dir / "pictures" / "validation" / f"image_{number}.png", 80 * index)
    MadeRun(name=NASTY, scores=((100, 20.0), (200, 25.0)), classes=("<b>road</b>", "water")).write(root)
    MadeRun(name="linear_voc", config={"dataset_type": "PascalVOCDataset"}).write(root)
    return root


@pytest.fixture(scope="module")
def page(work_dirs: Path) -> Path:
    paths = write_tables([work_dirs], work_dirs.parent, TableOptions(sort="config"), formats=("html",), use_cache=False)
    assert [path.name for path in paths] == ["all_scores.html"]
    return paths[0]


class Tags(HTMLParser):
    """Collects the start tags and the visible text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_holds_all_it_needs(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    parser = Tags()
    parser.feed(text)
    names = [tag for tag, _ in parser.tags]
    assert names.count("script") == 2, "the data and the page's own script"
    assert not {"link", "iframe", "object", "embed", "base"} & set(names)
    addresses = [value for _, attributes in parser.tags for key, value in attributes.items() if key in ("src", "href")]
    assert all(str(address).startswith(("data:image/png;base64,", "#")) for address in addresses)
    assert "http" not in re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", text).replace("http-equiv", "")


def test_every_name_is_escaped(page: Path) -> None:
    parser = Tags()
    parser.feed(page.read_text(encoding="utf-8"))
    assert any(NASTY in text for text in parser.text)
    assert "b" not in [tag for tag, _ in parser.tags]
    tips = [attributes.get("data-tip") or "" for _, attributes in parser.tags]
    assert any(tip.startswith("<b>road</b>: ") for tip in tips)
    data = next(text for text in parser.text if text.startswith('[{"series"'))
    assert "<" not in data
    names = {series["name"] for section in json.loads(data) for series in section["series"]}
    assert NASTY in names


def test_pictures_are_capped_and_it_is_said(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count("data:image/png;base64,") == 3 * 4
    assert "Shown: 4 of 6 pictures each." in text


def test_a_file_that_is_no_picture_is_left_out(tmp_path: Path) -> None:
    work_dir = MadeRun(name="fcn_loveda").write(tmp_path)
    picture(work_dir / "pictures" / "validation" / "a.png", 10)
    (work_dir / "pictures" / "validation" / "b.png").write_text("<svg onload=alert(1)>")
    text = to_page(make_tables(read_runs([tmp_path])))
    assert text.count("data:image/png;base64,") == 1
    assert "1 left out: no PNG" in text


def test_a_table_without_scores_has_a_page_too(tmp_path: Path) -> None:
    MadeRun(name="fcn_loveda", scores=()).write(tmp_path)
    text = to_page(make_tables(read_runs([tmp_path])))
    assert "fcn_loveda" in text
    assert "<svg" not in text


@pytest.mark.parametrize(("low", "high"), [(0, 1), (41.2, 41.9), (0, 160000), (-3, 104), (0.0001, 0.0002)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    found = ticks(low, high, 6)
    assert 2 <= len(found) <= 7
    assert all(low <= tick <= high for tick in found)
    steps = {round(b - a, 9) for a, b in itertools.pairwise(found)}
    assert len(steps) == 1


# In the browser.


@pytest.fixture
def opened(browser_page: BrowserPage, page: Path) -> Iterator[Page]:
    browser_page.open(page)
    yield browser_page.page
    assert browser_page.complaints == [], "no error, no dialog, no request"


def configs(page: Page) -> list[str]:
    """The configs of the first table, in the order of the page."""
    return page.locator("#d0 .scores tbody tr:not([hidden]) td:nth-child(2)").all_text_contents()


def place_of(item: Locator) -> tuple[float, float]:
    """Scroll an element into view and return the middle of it, in pixels of the window."""
    item.scroll_into_view_if_needed()
    box = item.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_sort_by_a_click(opened: Page) -> None:
    assert configs(opened) == [NASTY, "fcn_loveda", "psp_loveda", "upernet_loveda"]
    best = opened.locator("#d0 .scores th", has_text="best mIoU")
    best.locator("button").click()
    assert configs(opened) == ["upernet_loveda", "fcn_loveda", NASTY, "psp_loveda"], "9.5 comes after 25"
    assert best.get_attribute("aria-sort") == "descending"
    best.locator("button").click()
    assert configs(opened) == ["psp_loveda", NASTY, "fcn_loveda", "upernet_loveda"]
    assert best.get_attribute("aria-sort") == "ascending"
    opened.locator("#d0 .scores th button", has_text="config").click()
    assert configs(opened)[-1] == "upernet_loveda"
    assert best.get_attribute("aria-sort") == "none"


def test_filter(opened: Page) -> None:
    field = opened.locator("#d0 .filter")
    field.fill("loveda up")
    assert configs(opened) == ["upernet_loveda"]
    assert opened.locator("#d0 .count").text_content() == "1 of 4 rows"
    assert opened.locator("#d0 .curve:not([hidden])").count() == 1, "the curves follow the table"
    field.fill("no such row")
    assert configs(opened) == []
    assert opened.locator("#d1 .scores tbody tr:not([hidden])").count() == 1


def test_hover_a_curve(opened: Page) -> None:
    x, y = opened.evaluate(
        """() => {
            const svg = document.querySelector("#d0 .curves");
            svg.scrollIntoView({ block: "center", behavior: "instant" });
            const data = JSON.parse(document.getElementById("data").textContent)[0].series;
            const point = data.find((series) => series.name === "upernet_loveda").points[1];
            const place = new DOMPoint(point[0], point[1]).matrixTransform(svg.getScreenCTM());
            return [place.x, place.y];
        }"""
    )
    tip = opened.locator("#tip")
    assert tip.is_hidden()
    opened.mouse.move(x - 3, y + 4)
    assert tip.text_content() == "upernet_loveda\n55.00 at 200 iterations"
    assert tip.is_visible()
    focused = opened.locator("#d0 .scores tr.focus td:nth-child(2)")
    assert focused.all_text_contents() == ["upernet_loveda"], "the row lights up with its curve"
    opened.mouse.move(2, 2)
    assert tip.is_hidden()
    assert focused.count() == 0


def test_hover_a_row_lights_its_curve(opened: Page) -> None:
    opened.mouse.move(*place_of(opened.locator("#d0 .scores tbody tr:nth-child(2) td:nth-child(2)")))
    lit = opened.locator("#d0 .curve.focus")
    assert [item.get_attribute("data-row") for item in lit.all()] == ["1"]


def test_heat_map_has_tips_and_an_order(opened: Page) -> None:
    opened.mouse.move(*place_of(opened.locator("#d0 .heat td").first))
    assert opened.locator("#tip").text_content() == f"<b>road</b>: 24.50\n{NASTY}"
    first = opened.locator("#d0 .heat tbody tr:first-child td").first
    opened.locator("#d0 .order").click()
    assert str(first.get_attribute("data-tip")).startswith("bare ground: "), "the class with the best mean comes first"
    opened.locator("#d0 .order").click()
    assert str(first.get_attribute("data-tip")).startswith("<b>road</b>: ")


def test_a_config_named_script_does_nothing(opened: Page) -> None:
    assert opened.locator("script").count() == 2
    assert NASTY in configs(opened)


def test_the_policy_stops_scripts_that_were_smuggled_in(browser_page: BrowserPage, page: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text(page.read_text().replace("<main>", "<main><script>window.smuggled = 1</script>"))
    browser_page.open(bad)
    assert browser_page.page.evaluate("window.smuggled") is None
    assert configs(browser_page.page) == [NASTY, "fcn_loveda", "psp_loveda", "upernet_loveda"]


def test_a_picture_opens_by_a_click(opened: Page) -> None:
    opened.locator("#d0 .pictures .zoom").first.click()
    assert opened.evaluate("document.getElementById('zoom').open") is True
    assert opened.evaluate("document.querySelector('#zoom img').naturalWidth") == 40
    opened.locator("#zoom img").click()
    assert opened.evaluate("document.getElementById('zoom').open") is False
