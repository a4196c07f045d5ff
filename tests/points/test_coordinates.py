"""Coordinates as people write them."""

import pytest

from mmseg_ext.points.coordinates import CoordinateReader, explain_outside, look_like_percent


@pytest.mark.parametrize(
    ("value", "pixel"),
    [
        (3, 3),
        ("3", 3),
        (" 3.9 ", 3),
        (-0.1, -1),
        ("431,5", 431),
        ("0,250", 0),
        ("1e2", 100),
        ("-3,75", -4),
        ("1234,567", 1234),
    ],
)
def test_numbers(value, pixel):
    reader = CoordinateReader()
    assert reader.read(value) == pixel
    assert reader.doubtful is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        "one",
        "nan",
        "inf",
        True,
        None,
        [1],
        "1_000",
        "9" * 400,
        10**400,
        -(10**400),
        1e300,
        "1.234,5",
        "1,2,3",
        "3 px",
    ],
)
def test_what_is_no_number_of_pixels(value):
    assert CoordinateReader().read(value) is None


def test_a_comma_before_three_digits_needs_another_to_be_decimal():
    reader = CoordinateReader()
    assert reader.read("1,234", "first") == 1
    assert reader.read("12,345", "second") == 12
    assert reader.doubtful == "first"
    reader.read("7,5")
    assert reader.doubtful is None
    reader.read("3,456", "later")
    assert reader.doubtful is None
    assert reader.comma == "1,234"


def test_points_outside_of_their_image():
    assert explain_outside(500, 100, 400, 600) == "Are x and y exchanged?"
    assert "map coordinates" in explain_outside(412345, 5341234, 640, 480)
    assert "map coordinates" in explain_outside(-412345, 3, 640, 480)
    assert explain_outside(640, 100, 640, 480) == "" == explain_outside(-1, 500, 640, 480)


@pytest.mark.parametrize(
    ("places", "size", "expected"),
    [
        ([(10, 20), (100, 0), (50, 99)], (1000, 800), True),
        ([(10, 20), (101, 0), (50, 99)], (1000, 800), False),
        ([(10, 20), (50, 99), (3, 3)], (300, 300), False),
        ([(10, 20)], (8000, 8000), False),
        ([], (1000, 1000), False),
    ],
)
def test_percent(places, size, expected):
    assert look_like_percent(places, *size) is expected
