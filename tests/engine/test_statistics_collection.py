from mmseg_ext.engine.statistics_collection import format_class_weights


def test_the_table_holds_shares_images_and_weights():
    record = {
        "classes": ["land", "water"],
        "class_pixels": [30, 10],
        "num_labelled_pixels": 40,
        "class_images": [3, 1],
        "weights": {"median_frequency": [0.5, 1.25], "effective_number": [1, 2]},
    }
    assert format_class_weights(record).splitlines() == [
        "| class | % of pixels | images | median_frequency | effective_number |",
        "|---|---|---|---|---|",
        "| land | 75.00 | 3 | 0.500 | 1.000 |",
        "| water | 25.00 | 1 | 1.250 | 2.000 |",
    ]
