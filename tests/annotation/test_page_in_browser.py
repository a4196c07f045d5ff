"""The page clicked through in Chromium: points, keys, undo, zoom, suggestions, two pages, a server that is killed."""

import json
import sqlite3
import time
from contextlib import closing, contextmanager

import numpy as np
import pytest
from PIL import Image
from served import Served, make_images

from mmseg_ext.points.point_files import read_points

LAND, WATER = (20, 48), (100, 48)
"""Pixels of the two halves of each image, (x, y)."""
EVIL = "<img src=x onerror=alert(1)>"
EVIL_IMAGE, LARGE_IMAGE = 0, 5
"""Numbers of images of the shared server: its names are sorted."""


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

    def open(self, number, annotator=""):
        """Open an image by its number, from 0."""
        self.page.fill("#annotator", annotator)
        self.page.fill("#image-number", str(number + 1))
        self.page.press("#image-number", "Enter")
        self.page.focus("#view")
        self.wait(image=number, opened=number)

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

    def wait_for_color(self, x, y, color):
        """Wait until a pixel of the image is shown in a colour."""
        for _ in range(300):
            if self.color(*self.place(x, y)) == color:
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(self.color(*self.place(x, y)))


@contextmanager
def open_page(chromium, server, **options):
    context = chromium.new_context(viewport={"width": 1200, "height": 800}, **options)
    try:
        page = Page(context, server)
        yield page
        assert page.complaints == []
    finally:
        context.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One server for many tests: each has an image and an annotator of its own."""
    folder = tmp_path_factory.mktemp("shared")
    images = make_images(folder / "images")  # 0 and 1 are in a folder below
    image = np.zeros((10_000, 10_000, 3), np.uint8)
    image[..., 1] = np.arange(10_000) // 50
    image[5970:6030, 6970:7030] = (255, 255, 255)  # some pixels of a screen that shows the image whole
    Image.fromarray(image).save(images / "large.png", compress_level=1)
    Image.fromarray(image[:96, :128]).save(images / f"{EVIL}.png")
    served = Served(images, folder / "points.csv", classes=("land", "water", EVIL))
    yield served
    assert served.stop() == 0


@pytest.fixture
def server(tmp_path):
    served = Served(make_images(tmp_path / "images"), tmp_path / "points.csv")
    yield served
    served.stop()


def saved_points(server):
    return json.loads(server.request("GET", "/api/start")[2])["points"]


def points_of(server, image):
    return [point for point in saved_points(server) if point["image"] == image]


def assert_soon(read, expected):
    """Assert what is read, once the page has sent its last change: it shows "waiting" a picture later."""
    for _ in range(100):
        if read() == expected:
            return
        time.sleep(0.1)
    assert read() == expected


def test_add_move_change_delete_and_undo_everything(chromium, shared):
    with open_page(chromium, shared) as page:
        page.open(1, "Ann")
        page.click(*LAND)
        page.page.keyboard.press("2")
        page.click(*WATER)
        page.wait(points=2, saved=2)
        assert [(p["x"], p["y"], p["label"]) for p in points_of(shared, 1)] == [(*LAND, 0), (*WATER, 1)]

        page.page.mouse.move(*page.place(*LAND))
        page.page.mouse.down()
        page.page.mouse.move(*page.place(30, 20), steps=5)
        page.page.mouse.up()
        page.wait(waiting=0)
        assert_soon(lambda: [(p["x"], p["y"]) for p in points_of(shared, 1)], [(30, 20), WATER])

        page.click(30, 20)  # selects
        page.page.keyboard.press("2")
        page.wait(waiting=0)
        assert_soon(lambda: [p["label"] for p in points_of(shared, 1)], [1, 1])
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
        assert_soon(lambda: [(p["x"], p["y"], p["label"]) for p in points_of(shared, 1)], [(30, 20, 1), (*WATER, 1)])
        page.page.reload()
        page.page.wait_for_selector("body[data-ready]")
        page.open(1)
        page.wait(points=2, saved=2)
    assert_soon(
        lambda: [(p.x, p.y, p.label) for p in read_points(shared.out).points if p.image == "below/image_1.png"],
        [(30, 20, "water"), (*WATER, "water")],  # the file follows within a second
    )


def test_zoom_and_pan_to_single_pixels(chromium, shared):
    with open_page(chromium, shared) as page:
        page.open(3)
        middle = page.place(*LAND)
        page.page.mouse.move(*middle)
        for _ in range(12):
            page.page.mouse.wheel(0, -300)
        page.page.wait_for_selector('#view[data-scale="64"]')
        page.page.mouse.click(*middle)  # the pixel under the pointer stays under it
        page.page.mouse.click(middle[0] + 64, middle[1])  # 64 pixels of the screen for one of the image
        page.wait(points=2, saved=2)
        assert [(p["x"], p["y"]) for p in points_of(shared, 3)] == [LAND, (LAND[0] + 1, LAND[1])]
        page.page.mouse.move(middle[0] + 200, middle[1] + 200)
        page.page.mouse.down()
        page.page.mouse.move(middle[0] + 328, middle[1] + 264, steps=4)
        page.page.mouse.up()
        page.page.mouse.click(middle[0], middle[1] + 128)
        page.wait(points=3, saved=3)
        assert [(p["x"], p["y"]) for p in points_of(shared, 3)][2] == (LAND[0] - 2, LAND[1] + 1)
        page.page.keyboard.press("f")
        page.page.keyboard.press("ArrowRight")
        page.wait(image=4)


def test_fingers_add_move_zoom_and_pan(chromium, shared):
    with open_page(chromium, shared, has_touch=True) as page:
        page.open(2)
        fingers = page.page.context.new_cdp_session(page.page)

        def touch(*moments):
            """Put fingers down at the first places, move them to the next ones, and take them off."""
            for kind, places in zip(["touchStart", *["touchMove"] * (len(moments) - 1)], moments, strict=True):
                points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
                fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
            fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

        page.page.touchscreen.tap(*page.place(*LAND))
        page.wait(points=1, saved=1)
        touch([page.place(*LAND)], [page.place(30, 30)], [page.place(40, 60)])
        page.wait(waiting=0)
        assert_soon(lambda: [(p["x"], p["y"]) for p in points_of(shared, 2)], [(40, 60)])

        before = float(page.page.get_attribute("#view", "data-scale"))
        x, y = page.place(*WATER)
        touch([(x - 50, y), (x + 50, y)], [(x - 75, y), (x + 75, y)], [(x - 100, y), (x + 100, y)])
        page.page.wait_for_function(f"Math.abs(document.getElementById('view').dataset.scale - {2 * before}) < 0.1")
        touch([(x, y)], [(x, y + 40)], [(x, y + 80)])  # one finger moves the picture
        page.page.touchscreen.tap(x, y + 80)
        page.wait(points=2, saved=2)
        assert [(p["x"], p["y"]) for p in points_of(shared, 2)][1] == pytest.approx(WATER, abs=1)


def test_the_model_predicts_suggests_and_writes_masks(chromium, server):
    with open_page(chromium, server) as page:
        for y in (10, 48, 85):
            page.page.keyboard.press("1")
            page.click(20, y)
            page.page.keyboard.press("2")
            page.click(100, y)
        page.wait(points=6, saved=6)
        page.page.wait_for_selector('body:not([data-picture="0"])', timeout=240_000)
        page.page.evaluate("document.getElementById('opacity').value = 100")
        page.page.dispatch_event("#opacity", "input")
        page.wait_for_color(35, 20, [230, 25, 75])
        page.wait_for_color(110, 80, [60, 180, 75])
        page.page.keyboard.press("o")
        page.page.wait_for_timeout(300)
        red, green, blue = page.color(*page.place(35, 20))
        assert green > 140 > max(red, blue)

        page.page.keyboard.press("n")
        page.page.wait_for_selector('body:not([data-spot=""])')
        labelled = set()
        for number in range(7, 18):  # by the keys alone, over the images
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
        assert len(saved_points(server)) == 17
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


def test_two_pages_see_each_others_points(chromium, shared):
    with open_page(chromium, shared) as first, open_page(chromium, shared) as second:
        first.open(4, "Cid")
        second.open(4, "Dan")
        first.click(*LAND)
        second.wait(points=1, saved=1)
        second.click(*WATER)
        first.wait(points=2, saved=2)
        second.page.keyboard.press("Control+z")  # the own point, not Ann's
        first.wait(points=1, saved=1)
        assert [(p["annotator"], p["x"]) for p in points_of(shared, 4)] == [("Cid", LAND[0])]
        first.page.click("#done")
        second.page.wait_for_selector("#done:checked")


def test_a_killed_server_has_lost_nothing(chromium, server):
    with open_page(chromium, server) as page:
        page.click(*LAND)
        page.click(30, 30)
        page.wait(points=2, saved=2)
        server.kill()
        page.click(*WATER)
        page.page.wait_for_selector("#alarm:not([hidden])")
        page.wait(points=3, saved=2)  # the third is shown, and not as saved
        lost = ("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING")
        page.complaints = [text for text in page.complaints if not any(name in text for name in lost)]
    again = Served(server.out.parent / "images", server.out, port=server.port)
    try:
        with open_page(chromium, again) as page:
            page.wait(points=2, saved=2)
            page.page.keyboard.press("Control+z")
            page.wait(points=1, waiting=0)
    finally:
        assert again.stop() == 0
    assert [(p.x, p.y) for p in read_points(server.out).points] == [LAND]


def test_names_that_are_markup(chromium, shared):
    with open_page(chromium, shared) as page:
        page.open(EVIL_IMAGE)
        page.page.keyboard.press("3")
        page.click(*LAND)
        page.wait(points=1, saved=1)
        assert page.page.locator("#classes .name").nth(2).text_content() == EVIL
        assert page.page.locator("#image-name").text_content() == f"{EVIL}.png"
        assert page.page.locator("img").count() == 0


def test_an_image_of_100_megapixels(chromium, shared):
    with open_page(chromium, shared) as page:
        page.size = (10_000, 10_000)
        page.open(LARGE_IMAGE)
        page.page.keyboard.press("o")  # no prediction over it: other tests have clicked points
        place = page.place(7000, 6000)
        page.page.mouse.move(*place)
        for _ in range(30):
            page.page.mouse.wheel(0, -300)
        page.page.wait_for_selector('#view[data-scale="64"]')
        for _ in range(200):
            page.page.wait_for_timeout(100)
            if min(page.color(*place)) > 200:
                break
        else:
            raise AssertionError(page.color(*place))
        page.page.mouse.click(*place)
        page.page.mouse.click(place[0] + 64, place[1])  # 64 pixels of the screen for one of the image
        page.wait(points=2, saved=2)
        first, second = points_of(shared, LARGE_IMAGE)
        assert abs(first["x"] - 7000) <= 30
        assert abs(first["y"] - 6000) <= 30
        assert (second["x"], second["y"]) == (first["x"] + 1, first["y"])
