"""What tools/annotate.py does: serve the page of a folder of images until it is stopped."""

import colorsys
import contextlib
import re
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmseg_ext.annotation.annotation_files import AnnotationFiles
from mmseg_ext.annotation.image_folder import ImageFolder
from mmseg_ext.annotation.point_database import PointDatabase
from mmseg_ext.annotation.prediction_loop import PredictionLoop
from mmseg_ext.data_check.facts_cache import default_cache_dir
from mmseg_ext.errors import UserError, missing_packages
from mmseg_ext.masks.color_masks import parse_color

if TYPE_CHECKING:
    from mmseg_ext.annotation.live_model import LiveModel

COLORS = ("#e6194b", "#3cb44b", "#4363d8", "#ffe119", "#f58231", "#911eb4", "#42d4f4", "#f032e6", "#bfef45")
_WITH_COLOR = re.compile(r"(.+)=(#[0-9a-fA-F]{6})", re.DOTALL)
MAX_CLASSES = 255


@dataclass(frozen=True)
class AnnotateOptions:
    """What the command line says.

    Attributes:
        images: Folder of the images.
        classes: Names of the classes, each with its colour behind ``=`` where it has one: 'water=#0000ff'.
        out: File of points to write.
        port: Port to listen at; 0 takes a free one.
        host: Name or address to listen at.
        browser: Whether to open a browser.
        backbone: See :func:`~mmseg_ext.annotation.live_model.model_config`.
        checkpoint: Likewise.
        scale: Longer and shorter side, at most, of images as the network sees them.
        cache_dir: Folder for features; None takes one in the user's cache.
        cache_gb: Most that it may take, in GB.
        annotator: Name of the person who clicks.
        imports: Files of points to begin with.
        trust_checkpoint: Let checkpoints run the code they hold.
    """

    images: str
    classes: Sequence[str]
    out: str = "points.csv"
    port: int = 8765
    host: str = "127.0.0.1"
    browser: bool = True
    backbone: str | None = None
    checkpoint: str | None = None
    scale: tuple[int, int] = (2048, 1024)
    cache_dir: str | None = None
    cache_gb: float = 10.0
    annotator: str = ""
    imports: Sequence[str] = ()
    trust_checkpoint: bool = False

    def __post_init__(self) -> None:
        if len(self.scale) != 2 or min(self.scale) < 1:
            raise UserError(f"Expected two numbers of pixels for --scale, got {' '.join(map(str, self.scale))}.")
        if not self.cache_gb > 0:
            raise UserError(f"Expected --cache-gb above 0, got {self.cache_gb}.")
        object.__setattr__(self, "scale", tuple(self.scale))


def parse_classes(texts: Sequence[str]) -> dict[str, str]:
    """Return the colour of each class, '#rrggbb', by its name.

    Raises:
        UserError: There are too few or too many, one is there twice, or two have one colour.
    """
    colors: dict[str, str] = {}
    for index, text in enumerate(texts):
        match = _WITH_COLOR.fullmatch(text)
        name, color = match.groups() if match else (text, _color(index))
        if not name.strip() or name in colors:
            raise UserError(f"Expected each class of --classes once and with a name, got {name!r} again or empty.")
        colors[name] = color.lower()
    if not 2 <= len(colors) <= MAX_CLASSES:
        raise UserError(f"Expected 2 to {MAX_CLASSES} names after --classes, got {len(colors)}.")
    return colors


def _color(index: int) -> str:
    if index < len(COLORS):
        return COLORS[index]
    parts = colorsys.hsv_to_rgb(index * 0.618 % 1, 0.9 - 0.2 * (index % 3), 0.95 - 0.2 * (index % 2))
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)


def import_points(files: Sequence[str], folder: ImageFolder, database: PointDatabase) -> list[str]:
    """Add the points of files, of this or another program, to those of the database; return what is to be said of them.

    Raises:
        UserError: A file cannot be read, or a class of it is none of the database's.
    """
    if not files:
        return []
    from mmseg_ext.points.foreign_formats import read_points
    from mmseg_ext.prediction.image_frames import FolderFrames

    frames, said = FolderFrames(folder.root), []
    for file in files:
        found = read_points(file, frames, database.classes)
        index_of = {name: index for index, name in enumerate(database.classes)}
        rows = [(p.image, p.x, p.y, index_of[str(p.label)]) for p in found.points]
        database.add_many([row for row in rows if row[0] in folder.number_of], f"import {Path(file).name}")
        said += [f"{file}: {len(rows)} points", *(f"  {note}" for note in found.notes)]
    return said


def annotate(options: AnnotateOptions, say: Callable[[str], object]) -> None:
    """Serve the page until Ctrl-C or a signal to end.

    Args:
        options: The options.
        say: Takes a line for the screen.

    Raises:
        UserError: An option is wrong, a file cannot be used, or the port is taken.
    """
    try:
        import uvicorn  # noqa: F401
        from starlette.applications import Starlette  # noqa: F401
    except ImportError as error:
        raise missing_packages("the page", "starlette", "uvicorn") from error
    folder = ImageFolder(options.images)
    given = parse_classes(options.classes)
    with bind(options.host, options.port) as listener:
        database = PointDatabase(Path(options.out).with_suffix(".sqlite"), list(given))
        with contextlib.closing(database):
            for line in import_points(options.imports, folder, database):
                say(line)
            colors = [given[name] for name in database.classes]
            files = AnnotationFiles(options.out, folder, database, colors, lambda: make_config(options), options.scale)
            rgb_C3 = np.array([parse_color(color) for color in colors], np.uint8)
            loop = PredictionLoop(folder, database, rgb_C3, lambda: build_model(options, len(colors)))
            serve(options, listener, folder, database, loop, files, colors, say)


def build_model(options: AnnotateOptions, num_classes: int) -> "LiveModel":
    """Build the model; imports what takes seconds to import."""
    from mmseg_ext import stack

    stack.prepare(trust_checkpoint=options.trust_checkpoint)
    from mmseg_ext.annotation.live_model import LiveModel

    cache = options.cache_dir or default_cache_dir() / "features"
    return LiveModel(num_classes, make_config(options), options.scale, cache, options.cache_gb)


def make_config(options: AnnotateOptions) -> dict[str, Any]:
    """Make the config of the model, without its number of classes."""
    from mmseg_ext.annotation.live_model import model_config

    return model_config(options.backbone, options.checkpoint)


@contextlib.contextmanager
def bind(host: str, port: int) -> Iterator[socket.socket]:
    """Open the port to listen at.

    Raises:
        UserError: It is taken, or there is no such address.
    """
    try:
        family = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise UserError(f"Cannot listen at {host}, port {port}: {error}. Name another with --port, or 0.") from error
    with listener:
        yield listener


def address_of(host: str, port: int) -> str:
    """Write the address that a browser opens: an address that stands for all of this machine becomes its name.

    Example:
        >>> address_of("127.0.0.1", 8000), address_of("::1", 8000)
        ('http://127.0.0.1:8000', 'http://[::1]:8000')
    """
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def serve(
    options: AnnotateOptions,
    listener: socket.socket,
    folder: ImageFolder,
    database: PointDatabase,
    loop: PredictionLoop,
    files: AnnotationFiles,
    colors: list[str],
    say: Callable[[str], object],
) -> None:
    """Say the address, open the browser, and answer it until the end."""
    import uvicorn

    from mmseg_ext.annotation.annotation_app import AnnotationApp
    from mmseg_ext.annotation.request_guard import RequestGuard

    token, port = secrets.token_urlsafe(24), listener.getsockname()[1]
    app = AnnotationApp(folder, database, loop, files, colors, options.annotator)
    guard = RequestGuard(app.application, token, options.host, port)

    class Server(uvicorn.Server):
        """Ends the streams of events too: a page that is open would hold the server up."""

        def handle_exit(self, sig: int, frame: object) -> None:
            app.is_ending = self.should_exit = True

    server = Server(uvicorn.Config(guard, log_level="error", access_log=False, lifespan="off", server_header=False))
    address = f"{address_of(options.host, port)}/?token={token}"
    files.start()
    loop.start()
    say(f"{len(folder)} images. The page: {address}")
    say(f"Points go to {files.points_file}. Ctrl-C ends.")
    if options.browser:
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    try:
        server.run(sockets=[listener])
    finally:
        loop.stop()
        files.stop()
    say(f"{len(database.points_since())} points in {files.points_file}")
