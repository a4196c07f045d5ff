"""The results of one image that was predicted whole."""

import dataclasses

import numpy as np
import torch

from mmseg_ext.evaluation.morphology import clean_up_map
from mmseg_ext.masks.class_maps import pack_labels
from mmseg_ext.pictures import save_picture
from mmseg_ext.prediction.class_scores import confidence
from mmseg_ext.prediction.output_folder import OutputFolder
from mmseg_ext.prediction.polygon_files import MapPlace, write_polygons
from mmseg_ext.prediction.polygon_tracing import CHUNK_PIXELS, trace_polygons
from mmseg_ext.prediction.predictor import Prediction
from mmseg_ext.prediction.results import CLASS_MAPS, OVERLAYS, POLYGONS, PROBABILITIES, ResultOptions


def write_image_results(prediction: Prediction, name: str, folder: OutputFolder, options: ResultOptions) -> list[int]:
    """Write the results of an image.

    Args:
        prediction: With probabilities where the options ask for them or for polygons.
        name: The name of its results.
        folder: Where they go.
        options: Which results.

    Returns:
        The pixels of each class.
    """
    if options.clean_up:
        prediction = dataclasses.replace(prediction, classes_HW=clean_up_map(prediction.classes_HW, options.clean_up))
    classes_HW = prediction.classes_HW
    if options.overlay:
        with folder.replacing(folder.path_of(OVERLAYS, name, ".jpg")) as path:
            save_picture(path, prediction.overlay(with_legend=True))
    if options.probabilities:
        with folder.replacing(folder.path_of(PROBABILITIES, name, ".npy")) as path:
            np.save(path, np.asarray(prediction.probabilities_CHW, np.float16))
    if options.polygons is not None:
        with folder.replacing(folder.path_of(POLYGONS, name, f".{options.polygons.kind}")) as path:
            place = MapPlace()
            areas = trace_polygons(_chunks(prediction), -1, options.polygons.min_pixels(place))
            write_polygons(path, areas, prediction.names, place, options.polygons)
    with folder.replacing(folder.path_of(CLASS_MAPS, name, ".png")) as path:
        path.write_bytes(pack_labels(classes_HW, prediction.palette))
    return np.bincount(classes_HW.ravel(), minlength=len(prediction.names)).tolist()


def _chunks(prediction: Prediction) -> list[tuple[int, np.ndarray, np.ndarray | None]]:
    """Cut a prediction into chunks of rows with the probability of the chosen class, in 255ths."""
    classes_HW, probabilities_CHW = prediction.classes_HW, prediction.probabilities_CHW
    height = max(1, CHUNK_PIXELS // classes_HW.shape[1])
    chunks = []
    for top in range(0, len(classes_HW), height):
        part_HW = classes_HW[top : top + height]
        shares_HW = None
        if probabilities_CHW is not None:
            part_CHW = torch.from_numpy(probabilities_CHW[:, top : top + height])
            chosen_HW = confidence(part_CHW, torch.from_numpy(part_HW.astype(np.int64)))
            shares_HW = np.rint(chosen_HW.numpy() * 255).astype(np.uint8)
        chunks.append((top, part_HW, shares_HW))
    return chunks
