"""Pictures of labels, predictions and errors, with titles and legends.

Pure functions on arrays, for the training hooks, the demo and the documentation. Pictures are uint8 RGB, labels hold
class indices, and a palette lists one RGB colour (0 to 255) per class.

Shape suffixes: H height, W width, C colour channels (RGB).
"""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mmseg_ext.errors import UserError
from mmseg_ext.files import replace_file

Palette = Sequence[Sequence[int]]

RIGHT_COLOR = (199, 219, 199)
WRONG_COLOR = (214, 39, 40)
HATCH_COLORS = ((255, 255, 255), (176, 176, 176))  # ground and lines of what is ignored

SPARSE_SHARE = 0.02  # below this share of labelled pixels, labels are drawn as points

_INK = (33, 37, 41)
_PAPER = (255, 255, 255)
_GAP = 8


def colorize(
    labels_HW: np.ndarray, palette: Palette, ignore_index: int = 255, ignore_color: Sequence[int] = (0, 0, 0)
) -> np.ndarray:
    """Paint each pixel in the colour of its class.

    Args:
        labels_HW: Class indices, any integer type.
        palette: One RGB colour per class.
        ignore_index: The label of pixels without a class.
        ignore_color: Their colour.

    Returns:
        The picture (H, W, 3), uint8 RGB.

    Raises:
        UserError: If the labels are not a map of integers, or name a class that the palette lacks.

    Example:
        >>> colorize(np.array([[1, 255]]), [[9, 9, 9], [255, 0, 0]]).tolist()
        [[[255, 0, 0], [0, 0, 0]]]
    """
    labels_HW = _checked_labels(labels_HW)
    palette_KC = _checked_palette(palette)
    valid_HW = labels_HW != ignore_index
    _check_range(labels_HW[valid_HW], len(palette_KC), ignore_index)
    colors_KC = np.concatenate([palette_KC, _checked_palette([ignore_color])])
    return colors_KC[np.where(valid_HW, labels_HW, len(palette_KC)).astype(np.intp)]


def overlay(
    image_HWC: np.ndarray, labels_HW: np.ndarray, palette: Palette, alpha: float = 0.5, ignore_index: int = 255
) -> np.ndarray:
    """Lay the class colours over a picture; ignored pixels keep the picture as it is.

    Args:
        image_HWC: The picture, uint8 RGB.
        labels_HW: Class indices of the same height and width.
        palette: One RGB colour per class.
        alpha: Weight of the class colours, 0 (the picture alone) to 1 (the colours alone).
        ignore_index: The label of pixels without a class.

    Returns:
        The blended picture (H, W, 3), uint8 RGB.

    Raises:
        UserError: If shapes, types or values do not fit.
    """
    if not 0 <= alpha <= 1:
        raise UserError(f"Expected `alpha` between 0 and 1, got {alpha}.")
    image_HWC, labels_HW = _checked_pair(image_HWC, labels_HW)
    colors_HWC = colorize(labels_HW, palette, ignore_index)
    blend_HWC = np.rint((1 - alpha) * image_HWC + alpha * colors_HWC).astype(np.uint8)
    return np.where((labels_HW != ignore_index)[..., None], blend_HWC, image_HWC)


def draw_points(
    image_HWC: np.ndarray,
    labels_HW: np.ndarray,
    palette: Palette,
    radius: float | None = None,
    ignore_index: int = 255,
) -> np.ndarray:
    """Draw each labelled pixel as a disc in its class colour, with a light and a dark ring around it.

    The two rings keep a point visible on any ground. Rings never cover the colour of another point.

    Args:
        image_HWC: The picture, uint8 RGB.
        labels_HW: Class indices of the same height and width, `ignore_index` where there is no point.
        palette: One RGB colour per class.
        radius: Radius of the coloured disc in pixels; by default 1/80 of the longer side, at least 2.5.
        ignore_index: The label of pixels without a class.

    Returns:
        The picture with points (H, W, 3), uint8 RGB.

    Raises:
        UserError: If shapes, types or values do not fit.
    """
    image_HWC, labels_HW = _checked_pair(image_HWC, labels_HW)
    palette_KC = _checked_palette(palette)
    rows, columns = np.nonzero(labels_HW != ignore_index)
    classes = labels_HW[rows, columns]
    _check_range(classes, len(palette_KC), ignore_index)
    if radius is None:
        radius = max(2.5, max(labels_HW.shape) / 80)
    elif not radius >= 0:
        raise UserError(f"Expected `radius` to be 0 or more pixels, got {radius}.")
    ring = max(1.0, radius / 3)
    picture_HWC = image_HWC.copy()
    for reach, fixed_color in ((radius + 2 * ring, (20, 20, 20)), (radius + ring, (255, 255, 255)), (radius, None)):
        whole = int(reach)
        steps = np.arange(-whole, whole + 1)
        disc_rows, disc_columns = np.nonzero(steps[:, None] ** 2 + steps[None, :] ** 2 <= reach * reach)
        for row, column, label in zip(rows, columns, classes, strict=True):
            y, x = disc_rows + (row - whole), disc_columns + (column - whole)
            inside = (y >= 0) & (y < labels_HW.shape[0]) & (x >= 0) & (x < labels_HW.shape[1])
            picture_HWC[y[inside], x[inside]] = palette_KC[label] if fixed_color is None else fixed_color
    picture_HWC[rows, columns] = palette_KC[classes]  # of two overlapping discs, each keeps its own centre
    return picture_HWC


def draw_labels(image_HWC: np.ndarray, labels_HW: np.ndarray, palette: Palette, ignore_index: int = 255) -> np.ndarray:
    """Draw what is trained on: points if few pixels are labelled, else an overlay with the ignored pixels hatched.

    Args:
        image_HWC: The picture, uint8 RGB.
        labels_HW: Class indices of the same height and width.
        palette: One RGB colour per class.
        ignore_index: The label of pixels that are not trained on.

    Returns:
        The picture with labels (H, W, 3), uint8 RGB. With less than 2 % labelled pixels: `draw_points`. Otherwise:
        `overlay`, and hatching over the ignored pixels.

    Raises:
        UserError: If shapes, types or values do not fit.
    """
    image_HWC, labels_HW = _checked_pair(image_HWC, labels_HW)
    ignored_HW = labels_HW == ignore_index
    if np.count_nonzero(~ignored_HW) < SPARSE_SHARE * ignored_HW.size:
        return draw_points(image_HWC, labels_HW, palette, ignore_index=ignore_index)
    picture_HWC = overlay(image_HWC, labels_HW, palette, ignore_index=ignore_index)
    hatched_HWC = _hatching(*labels_HW.shape)
    return np.where(ignored_HW[..., None], hatched_HWC, picture_HWC)


def errors(prediction_HW: np.ndarray, truth_HW: np.ndarray, ignore_index: int = 255) -> np.ndarray:
    """Show where a prediction is right (light grey-green), wrong (red) or not judged (hatched).

    Args:
        prediction_HW: Predicted class indices.
        truth_HW: True class indices of the same height and width.
        ignore_index: The label of pixels that are not judged.

    Returns:
        The picture (H, W, 3), uint8 RGB.

    Raises:
        UserError: If shapes or types do not fit.
    """
    prediction_HW, truth_HW = _checked_labels(prediction_HW), _checked_labels(truth_HW)
    if prediction_HW.shape != truth_HW.shape:
        raise UserError(
            "Expected prediction and truth of the same height and width, "
            f"got {prediction_HW.shape} and {truth_HW.shape}."
        )
    right_HW1 = (prediction_HW == truth_HW)[..., None]
    picture_HWC = np.where(right_HW1, np.array(RIGHT_COLOR, np.uint8), np.array(WRONG_COLOR, np.uint8))
    return np.where((truth_HW == ignore_index)[..., None], _hatching(*truth_HW.shape), picture_HWC)


def legend(classes: Sequence[str], palette: Palette, width: int) -> np.ndarray:
    """A strip of class names beside their colours, in as many rows as the width asks for.

    Args:
        classes: The names to show, in any script and of any length; a name wider than the strip is shortened.
        palette: One RGB colour per name.
        width: Width of the strip in pixels, at least 1.

    Returns:
        The strip (H, W, 3), uint8 RGB, as wide as asked for.

    Raises:
        UserError: If names and colours differ in number, or the width is below 1.
    """
    palette_KC = _checked_palette(palette, allow_empty=True)
    if len(classes) != len(palette_KC):
        raise UserError(f"Expected one colour for each of {len(classes)} classes, got {len(palette_KC)} colours.")
    if width < 1:
        raise UserError(f"Expected `width` to be at least 1 pixel, got {width}.")
    font = ImageFont.load_default(13)
    swatch, line = 14, 22
    places: list[tuple[int, int, str]] = []
    x, y = _GAP, 4
    for name in classes:
        text = _fit(name, font, width - 2 * _GAP - swatch - 5)
        length = swatch + 5 + _length(text, font)
        if x > _GAP and x + length > width - _GAP:
            x, y = _GAP, y + line
        places.append((x, y, text))
        x += length + 2 * _GAP
    strip = Image.new("RGB", (width, y + line + 4), _PAPER)
    draw = ImageDraw.Draw(strip)
    for (x, y, text), color in zip(places, palette_KC.tolist(), strict=True):
        box = (x, y + 4, x + swatch - 1, y + 4 + swatch - 1)
        draw.rectangle(box, fill=tuple(color), outline=(110, 110, 110))
        draw.text((x + swatch + 5, y + line // 2), text, font=font, fill=_INK, anchor="lm")
    return np.array(strip)


def segmentation_legend(classes: Sequence[str], palette: Palette, width: int) -> np.ndarray:
    """The legend of labels, predictions and errors: the classes, then black, right and wrong.

    Args:
        classes: The names of the classes.
        palette: One RGB colour per class.
        width: Width of the strip in pixels.

    Returns:
        The strip (H, W, 3), uint8 RGB; see :func:`legend`.
    """
    names = [*classes, "no label", "right", "wrong"]
    return legend(names, [*palette, (0, 0, 0), RIGHT_COLOR, WRONG_COLOR], width)


def panel(columns: Sequence[tuple[str, np.ndarray]], height: int | None = None) -> np.ndarray:
    """Pictures side by side, each below its title.

    Args:
        columns: Titles and pictures (H, W, 3), uint8 RGB. A title wider than its picture is shortened.
        height: Height that all pictures are scaled to, keeping their shape; by default that of the highest.

    Returns:
        The panel (H, W, 3), uint8 RGB, on white.

    Raises:
        UserError: If there is no picture, one is no RGB picture, or the height is below 1.
    """
    if not columns:
        raise UserError("Expected at least one picture in a panel, got none.")
    pictures = [_checked_image(picture) for _, picture in columns]
    height = max(picture.shape[0] for picture in pictures) if height is None else height
    if height < 1:
        raise UserError(f"Expected `height` to be at least 1 pixel, got {height}.")
    pictures = [_scaled(picture, height) for picture in pictures]
    size = min(max(height // 16, 13), 28)
    font = ImageFont.load_default(size)
    band = size + 10 if any(title for title, _ in columns) else 0
    width = sum(picture.shape[1] for picture in pictures) + _GAP * (len(pictures) - 1)
    canvas = Image.new("RGB", (width, band + height), _PAPER)
    draw = ImageDraw.Draw(canvas)
    x = 0
    for (title, _), picture in zip(columns, pictures, strict=True):
        canvas.paste(Image.fromarray(picture), (x, band))
        text = _fit(title, font, picture.shape[1])
        draw.text((x + picture.shape[1] / 2, band / 2), text, font=font, fill=_INK, anchor="mm")
        x += picture.shape[1] + _GAP
    return np.array(canvas)


def sheet(rows: Sequence[np.ndarray], legend: np.ndarray | None = None) -> np.ndarray:
    """Panels one below the other, with a legend beneath.

    Args:
        rows: Pictures (H, W, 3), uint8 RGB, such as panels; narrower ones are filled up with white at the right.
        legend: A strip to put beneath, such as that of :func:`legend`.

    Returns:
        The sheet (H, W, 3), uint8 RGB.

    Raises:
        UserError: If there is no row, or one is no RGB picture.
    """
    if not rows:
        raise UserError("Expected at least one row in a sheet, got none.")
    parts = [_checked_image(part) for part in (*rows, *(() if legend is None else (legend,)))]
    width = max(part.shape[1] for part in parts)
    height = sum(part.shape[0] for part in parts) + _GAP * (len(parts) - 1)
    picture_HWC = np.full((height, width, 3), _PAPER, np.uint8)
    y = 0
    for part in parts:
        picture_HWC[y : y + part.shape[0], : part.shape[1]] = part
        y += part.shape[0] + _GAP
    return picture_HWC


def save_picture(path: str | Path, image_rgb: np.ndarray) -> Path:
    """Write a picture as PNG or JPEG, by the suffix; a reader never sees half a file.

    Args:
        path: The file to write, ending in .png, .jpg or .jpeg. Parent folders are made.
        image_rgb: The picture (H, W, 3), uint8 RGB.

    Returns:
        The path written.

    Raises:
        UserError: If the suffix is another one, or the array is no RGB picture.
    """
    path = Path(path)
    kind = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}.get(path.suffix.lower())
    if kind is None:
        raise UserError(f"Expected a file name that ends in .png, .jpg or .jpeg, got {path}.")
    buffer = BytesIO()
    options = {"quality": 92, "subsampling": 0} if kind == "JPEG" else {}
    Image.fromarray(_checked_image(image_rgb)).save(buffer, kind, **options)
    replace_file(path, buffer.getvalue())
    return path


# --- checks ----------------------------------------------------------------------------------------------------------


def _checked_image(image: np.ndarray) -> np.ndarray:
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise UserError(f"Expected a picture (H, W, 3) of uint8 RGB, got shape {image.shape} of {image.dtype}.")
    return image


def _checked_labels(labels: np.ndarray) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.dtype.kind not in "iu" or 0 in labels.shape:
        raise UserError(f"Expected labels (H, W) of integers, got shape {labels.shape} of {labels.dtype}.")
    return labels


def _checked_pair(image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    image, labels = _checked_image(image), _checked_labels(labels)
    if image.shape[:2] != labels.shape:
        raise UserError(f"Expected labels of the picture's height and width {image.shape[:2]}, got {labels.shape}.")
    return image, labels


def _checked_palette(palette: Palette, allow_empty: bool = False) -> np.ndarray:
    rows = [list(color) for color in palette]
    fits = all(len(color) == 3 and all(0 <= channel <= 255 for channel in color) for color in rows)
    if not fits or not (rows or allow_empty):
        raise UserError(f"Expected colours of three integers in 0..255, got {palette!r}.")
    return np.array(rows, np.uint8).reshape(-1, 3)


def _check_range(labels: np.ndarray, num_classes: int, ignore_index: int) -> None:
    if labels.size and (labels.min() < 0 or labels.max() >= num_classes):
        wrong = int(labels.min() if labels.min() < 0 else labels.max())
        raise UserError(
            f"Expected labels in 0..{num_classes - 1} (or {ignore_index}, ignored) for a palette of {num_classes} "
            f"colours, got {wrong}."
        )


# --- drawing ---------------------------------------------------------------------------------------------------------


def _hatching(height: int, width: int) -> np.ndarray:
    """Oblique grey lines on white, (H, W, 3)."""
    period = min(max(max(height, width) // 40, 6), 24)
    lines_HW1 = ((np.arange(height)[:, None] + np.arange(width)[None, :]) % period < max(period // 4, 1))[..., None]
    return np.where(lines_HW1, np.array(HATCH_COLORS[1], np.uint8), np.array(HATCH_COLORS[0], np.uint8))


def _scaled(image: np.ndarray, height: int) -> np.ndarray:
    """Scale to a height: smooth when smaller, whole pixels when larger, so that labels keep their colours."""
    if image.shape[0] == height:
        return image
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    method = cv2.INTER_AREA if height < image.shape[0] else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(image, (width, height), interpolation=method))


def _length(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> int:
    return int(np.ceil(font.getlength(text)))


def _fit(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """One line that fits the width, shortened with an ellipsis; empty where not even that fits."""
    text = " ".join(text.split())
    if _length(text, font) <= width:
        return text
    low, high = 0, min(len(text), max(width, 0))  # no letter is narrower than a pixel
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _length(text[:middle] + "…", font) <= width else (low, middle - 1)
    shortened = text[:low].rstrip() + "…"
    return shortened if _length(shortened, font) <= width else ""
