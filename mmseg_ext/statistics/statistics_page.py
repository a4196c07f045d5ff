"""A page of plots of a dataset's statistics."""

import warnings
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np

from mmseg_ext.escaping import printable
from mmseg_ext.statistics.dataset_statistics import rare_class_probabilities

TEMPERATURES = (0.01, 0.1)
"""Temperatures of the sampler that are drawn; the first is DAFormer's."""

_BAR = "#4878a8"


def draw_statistics(record: dict[str, Any]) -> bytes:
    """Draw the record of :mod:`mmseg_ext.statistics.dataset_statistics` on one page.

    Six plots: share of pixels and of images of each class, class weights by formula, how often each class
    is drawn by the sampler, which classes occur together, and the sizes of the images.

    Returns:
        A PNG.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    classes = list(map(printable, record["classes"]))
    pixels_C, images_C = np.array(record["class_pixels"]), np.array(record["class_images"])
    places = np.arange(len(classes))
    height = max(3.2, 0.24 * len(classes))
    figure = Figure(figsize=(16, 2 * height + 1.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 3)

    def bars(axis: Any, values: np.ndarray, title: str, label: str) -> None:
        drawn = axis.barh(places, values, color=_BAR)
        axis.bar_label(drawn, fmt="{:.3g}", padding=3)
        axis.margins(x=0.12)
        axis.set(title=title, xlabel=label)
        axis.set_yticks(places, classes, parse_math=False)
        axis.invert_yaxis()

    def grouped(axis: Any, groups: Mapping[str, Any], title: str, label: str) -> None:
        thickness = 0.8 / len(groups)
        for index, (name, values) in enumerate(groups.items()):
            axis.barh(places + (index - (len(groups) - 1) / 2) * thickness, values, thickness, label=name)
        axis.set(title=title, xlabel=label)
        axis.set_yticks(places, classes, parse_math=False)
        axis.invert_yaxis()
        axis.legend()

    bars(axes[0, 0], 100 * pixels_C / max(pixels_C.sum(), 1), "pixels", "% of the labelled pixels")
    bars(axes[0, 1], 100 * images_C / record["num_images"], "images that show the class", "% of the images")
    grouped(axes[0, 2], {name.replace("_", " "): w for name, w in record["weights"].items()}, "class weights", "weight")
    if pixels_C.any():
        draws = {f"T = {t}": 100 * rare_class_probabilities(pixels_C, t) for t in TEMPERATURES}
        grouped(axes[1, 0], draws, "draws of the rare-class sampler", "% of the draws")
    together_CC = 100 * np.array(record["co_occurrence"]) / np.maximum(images_C, 1)[:, None]
    picture = axes[1, 1].imshow(together_CC, vmin=0, vmax=100, cmap="Blues")
    axes[1, 1].set(title="% of the row's images that show the column")
    axes[1, 1].set_xticks(places, classes, rotation=90, parse_math=False)
    axes[1, 1].set_yticks(places, classes, parse_math=False)
    figure.colorbar(picture, ax=axes[1, 1])
    sizes = np.array([[int(number) for number in size.split("x")] for size in record["sizes"]])
    counts = np.array(list(record["sizes"].values()))
    axes[1, 2].scatter(sizes[:, 1], sizes[:, 0], s=10 + 200 * counts / counts.max(), color=_BAR, alpha=0.6)
    axes[1, 2].set(title="sizes, area by number of images", xlabel="width", ylabel="height")
    colors = record["image_mean"]
    colors_text = "" if colors is None else f", mean {_listed(colors)}, std {_listed(record['image_std'])} (RGB)"
    title = f"{printable(record['dataset'])}: {record['num_images']} images{colors_text}"
    figure.suptitle(title, parse_math=False)
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a script that matplotlib's font lacks
        figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in values)
