"""The page clicked through in Chromium: points, keys, undo, zoom, suggestions, two pages, a server that is killed."""

import json
import re
import sqlite3
from contextlib import closing, contextmanager

import numpy as np
import pytest
from PIL import Image
from served import Served, make_images

from mmseg_ext.points.point_files import read_points

LAND, WATER = (20, 48), (100, 48)
"""Pixels of the two halves of each image, (x, y)."""


class Page:
    """One page of the browser at the address of a server, with what went wrong in it."""

    def __init__(self, context, server):
        self.page = context.new_page()
        self.complaints = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda m: m.type == "error" and self.complaints.append(f"{m.text} {m.location}"))
        self.page.on("dialog", lambda dialog: (self.complaints.append("dialog"), dialog.dismiss()))
        self.page.goto(server.address)
        self.page.wait_for_selector("body[data-ready]", timeout=20_000)

    def data(self, name):
        return self.page.evaluate(f"document.body.dataset.{name}")

    def wait(self, **values):
        """Wait until the body's data are as said."""
        selector = "body" + "".join(f'[data-{name}="{value}"]' for name, value in values.items())
        self.page.wait_for_selector(selector, timeout=30_000)

    def place(self, x, y):
        """Return where a pixel of the image lies in the window, by the arithmetic of a page that shows it whole."""
        box = self.page.locator("#view").bounding_box()
        height, width = self.size
        scale = min(box["width"] / width, box["height"] / height)
        left = box["x"] + (box["width"] - width * scale) / 2
        top = box["y"] + (box["height"] - height * scale) / 2
        return left + (x + 0.5) * scale, top + (y + 0.5) * scale

    size = (96, 128)

    def click(self, x, y, **options):
        self.page.mouse.click(*self.place(x, y), **options)

    def color(self, x, y):
        """Read the colour that the canvas shows at a place of the window."""
        script = """([x, y]) => {
            const view = document.getElementById("view"), box = view.getBoundingClientRect();
            return [...view.getContext("2d").getImageData(x - box.left, y - box.top, 1, 1).data].slice(0, 3);
        }"""
        return self.page.evaluate(script, [x, y])


@contextmanager
def open_page(chromium, server):
    context = chromium.new_context(viewport={"width": 1200, "height": 800})
    try:
        page = Page(context, server)
        yield page
        assert page.complaints == []
    finally:
        context.close()


@pytest.fixture
def server(tmp_path):
    served = Served(make_images(tmp_path / "images"), tmp_path / "points.csv")
    yield served
    served.stop()


def saved_points(server):
    return json.loads(server.request("GET", "/api/start")[2])["points"]


def test_add_move_change_delete_and_undo_everything(chromium, server):
    with open_page(chromium, server) as page:
        page.click(*LAND)
        page.page.keyboard.press("2")
        page.click(*WATER)
        page.wait(points=2, saved=2)
        assert [(p["x"], p["y"], p["label"]) for p in saved_points(server)] == [(*LAND, 0), (*WATER, 1)]

        page.page.mouse.move(*page.place(*LAND))
        page.page.mouse.down()
        page.page.mouse.move(*page.place(30, 20), steps=5)
        page.page.mouse.up()
        page.wait(waiting=0)
        assert [(p["x"], p["y"]) for p in saved_points(server)] == [(30, 20), WATER]

        page.click(30, 20)  # selects
        page.page.keyboard.press("2")
        page.wait(waiting=0)
        assert [p["label"] for p in saved_points(server)] == [1, 1]
        page.page.keyboard.press("Delete")
        page.wait(points=1, saved=1)
        page.click(*WATER, button="right")
        page.wait(points=0, waiting=0)

        for count in (1, 2, 2, 2, 1, 0):
            page.page.keyboard.press("Control+z")
            page.wait(points=count, waiting=0)
        for _ in range(4):
            page.page.keyboard.press("Control+y")
        page.wait(points=2, waiting=0)
        assert [(p["x"], p["y"], p["label"]) for p in saved_points(server)] == [(30, 20, 1), (*WATER, 1)]
        page.page.reload()
        page.wait(points=2, saved=2)
    assert server.stop() == 0
    points = [(p.image, p.x, p.y, p.label) for p in read_points(server.out).points]
    assert points == [("below/image_1.png", 30, 20, "water"), ("below/image_1.png", *WATER, "water")]


def test_zoom_and_pan_to_single_pixels(chromium, server):
    with open_page(chromium, server) as page:
        middle = page.place(*LAND)
        page.page.mouse.move(*middle)
        for _ in range(12):
            page.page.mouse.wheel(0, -300)
        page.page.wait_for_timeout(300)
        page.page.mouse.click(*middle)  # the pixel under the pointer stays under it
        page.page.mouse.click(middle[0] + 64, middle[1])  # 64 pixels of the screen for one of the image
        page.wait(points=2, saved=2)
        assert [(p["x"], p["y"]) for p in saved_points(server)] == [LAND, (LAND[0] + 1, LAND[1])]
        page.page.mouse.move(middle[0] + 200, middle[1] + 200)
        page.page.mouse.down()
        page.page.mouse.move(middle[0] + 328, middle[1] + 264, steps=4)
        page.page.mouse.up()
        page.page.mouse.click(middle[0], middle[1] + 128)
        page.wait(points=3, saved=3)
        assert [(p["x"], p["y"]) for p in saved_points(server)][2] == (LAND[0] - 2, LAND[1] + 1)
        page.page.keyboard.press("f")
        page.page.keyboard.press("ArrowRight")
        page.wait(image=1, points=0)


def test_the_model_predicts_suggests_and_writes_masks(chromium, server):
    with open_page(chromium, server) as page:
        page.click(*LAND)
        page.page.keyboard.press("2")
        page.click(*WATER)
        page.wait(points=2, saved=2)
        page.page.wait_for_selector('body:not([data-picture="0"])', timeout=60_000)
        page.page.evaluate("document.getElementById('opacity').value = 100")
        page.page.dispatch_event("#opacity", "input")
        page.page.wait_for_timeout(300)
        assert page.color(*page.place(35, 20)) == [230, 25, 75]
        assert page.color(*page.place(110, 80)) == [60, 180, 75]
        page.page.keyboard.press("o")
        page.page.wait_for_timeout(300)
        red, green, blue = page.color(*page.place(35, 20))
        assert green > 140 > max(red, blue)

        page.page.keyboard.press("n")
        page.page.wait_for_selector('body:not([data-spot=""])')
        labelled = set()
        for number in range(3, 14):  # by the keys alone, over the images
            image, x, _ = map(int, page.data("spot").split(","))
            assert page.data("image") == str(image)
            labelled.add(image)
            spot = page.data("spot")
            page.page.keyboard.press("1" if x < 64 else "2")
            page.page.wait_for_selector(f'body:not([data-spot="{spot}"]):not([data-spot=""])')
            assert len(saved_points(server)) == number
        assert len(labelled) > 1
        spot = page.data("spot")
        page.page.keyboard.press("s")
        page.page.wait_for_selector(f'body:not([data-spot="{spot}"]):not([data-spot=""])')
        assert len(saved_points(server)) == 13
        page.page.keyboard.press("d")
        page.page.keyboard.press("Escape")
        page.wait(spot="")

        page.page.select_option("#mask-choice", "all")
        page.page.click("#masks")
        page.page.wait_for_selector("text=4 of 4 masks written", timeout=60_000)
        page.page.click("#train")
        page.page.wait_for_selector("text=Type: python tools/fit.py")
    masks = sorted(server.out.with_name("points_masks").rglob("*.png"))
    assert [m.name for m in masks] == ["image_1.png", "image_3.png", "image_0.png", "image_2.png"]
    for mask in masks:
        labels_HW = np.array(Image.open(mask))
        assert labels_HW.shape == (96, 128)
        truth_HW = np.broadcast_to(np.arange(128) >= 64, labels_HW.shape)
        assert (labels_HW == truth_HW)[:, np.abs(np.arange(128) - 63.5) > 16].mean() > 0.95
    server.stop()
    with closing(sqlite3.connect(server.out.with_suffix(".sqlite"))) as database:
        assert database.execute("SELECT count(*) FROM skips").fetchone() == (1,)
        assert database.execute("SELECT count(*) FROM images WHERE is_done").fetchone() == (1,)


def test_two_pages_see_each_others_points(chromium, server):
    with open_page(chromium, server) as first, open_page(chromium, server) as second:
        first.page.fill("#annotator", "Ann")
        second.page.fill("#annotator", "Bob")
        first.click(*LAND)
        second.wait(points=1, saved=1)
        second.click(*WATER)
        first.wait(points=2, saved=2)
        second.page.keyboard.press("Control+z")  # the own point, not Ann's
        first.wait(points=1, saved=1)
        assert [(p["annotator"], p["x"]) for p in saved_points(server)] == [("Ann", LAND[0])]
        first.page.click("#done")
        second.page.wait_for_function("document.getElementById('done').checked")


def test_a_killed_server_has_lost_nothing(chromium, server):
    with open_page(chromium, server) as page:
        page.click(*LAND)
        page.click(*WATER)
        page.wait(points=2, saved=2)
    server.kill()
    again = Served(server.out.parent / "images", server.out, port=server.port)
    try:
        with open_page(chromium, again) as page:
            page.wait(points=2, saved=2)
            page.page.keyboard.press("Control+z")
            page.wait(points=1, waiting=0)
    finally:
        assert again.stop() == 0
    assert [(p.x, p.y) for p in read_points(server.out).points] == [LAND]


def test_a_page_outlives_its_server(chromium, server):
    with open_page(chromium, server) as page:
        page.click(*LAND)
        page.wait(points=1, saved=1)
        server.kill()
        page.click(*WATER)
        page.page.wait_for_selector("#alarm:not([hidden])")
        assert page.data("saved") == "1"  # the second click is shown, and not as saved
        assert page.data("points") == "2"
        page.complaints = [text for text in page.complaints if "ERR_CONNECTION_REFUSED" not in text]
        page.complaints = [text for text in page.complaints if "ERR_INCOMPLETE_CHUNKED_ENCODING" not in text]


def test_names_that_are_markup(chromium, tmp_path):
    evil = "<img src=x onerror=alert(1)>"
    images = make_images(tmp_path / "images", 1)
    (images / "image_0.png").rename(images / f"{evil.replace('/', '')}.png")
    served = Served(images, tmp_path / "points.csv", classes=("land", evil))
    try:
        with open_page(chromium, served) as page:
            page.page.keyboard.press("2")
            page.click(*LAND)
            page.wait(points=1, saved=1)
            assert page.page.locator("#classes .name").nth(1).text_content() == evil
            assert page.page.locator("#image-name").text_content() == f"{evil}.png"
            assert page.page.locator("img").count() == 0
    finally:
        served.stop()


def test_an_image_of_100_megapixels(chromium, tmp_path):
    (tmp_path / "images").mkdir()
    image = np.zeros((10_000, 10_000, 3), np.uint8)
    image[..., 1] = np.arange(10_000) // 50
    image[6001, 7003] = (255, 255, 255)
    Image.fromarray(image).save(tmp_path / "images" / "large.png", compress_level=1)
    served = Served(tmp_path / "images", tmp_path / "points.csv")
    try:
        with open_page(chromium, served) as page:
            page.size = (10_000, 10_000)
            page.page.wait_for_timeout(1000)
            place = page.place(7003, 6001)
            page.page.wait_for_function(
                "performance.getEntriesByType('resource').some((entry) => /tiles/.test(entry.name))", timeout=30_000
            )
            page.page.mouse.move(*place)
            for _ in range(30):
                page.page.mouse.wheel(0, -300)
            page.page.wait_for_timeout(3000)
            assert min(page.color(*place)) > 200  # the white pixel, in the middle of 64 × 64 of the screen
            page.page.mouse.click(*place)
            page.wait(points=1, saved=1)
            assert [(p["x"], p["y"]) for p in saved_points(served)] == [(7003, 6001)]
    finally:
        served.stop()
    assert re.search(r"1 points in ", served_text(tmp_path))


def served_text(folder):
    return (folder / "log.txt").read_text()
