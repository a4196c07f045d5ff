"""Pictures of labels, predictions and errors, with titles and legends.

Pure functions on arrays. Pictures are uint8 RGB, labels hold class indices, and a palette lists one RGB colour (0 to
255) per class.
"""

from mmseg_ext.pictures.array_checks import Palette
from mmseg_ext.pictures.error_maps import RIGHT_COLOR, WRONG_COLOR, errors
from mmseg_ext.pictures.hatching import HATCH_COLORS
from mmseg_ext.pictures.label_pictures import SPARSE_SHARE, colorize, draw_labels, draw_points, overlay
from mmseg_ext.pictures.legends import legend, segmentation_legend
from mmseg_ext.pictures.panels import panel, sheet
from mmseg_ext.pictures.picture_files import encode_picture, save_picture

__all__ = [
    "HATCH_COLORS",
    "RIGHT_COLOR",
    "SPARSE_SHARE",
    "WRONG_COLOR",
    "Palette",
    "colorize",
    "draw_labels",
    "draw_points",
    "encode_picture",
    "errors",
    "legend",
    "overlay",
    "panel",
    "save_picture",
    "segmentation_legend",
    "sheet",
]
