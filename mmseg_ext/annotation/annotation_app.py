"""The web application of the page: images by number, points, predictions, and what has changed."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from mmseg_ext.annotation.annotation_files import AnnotationFiles
from mmseg_ext.annotation.image_folder import ImageFolder
from mmseg_ext.annotation.picture_levels import TILE, PictureLevels, num_levels
from mmseg_ext.annotation.point_database import PointDatabase, StoredPoint
from mmseg_ext.annotation.prediction_loop import PredictionLoop
from mmseg_ext.errors import UserError
from mmseg_ext.escaping import printable

STATIC = Path(__file__).with_name("static")
POLL_SECONDS = 0.1
KEEP_ALIVE_SECONDS = 5
MAX_NAME = 60

Answer = Callable[[dict[str, Any]], Any]


class AnnotationApp:
    """What the page asks for, and what it sends.

    Args:
        folder: The images.
        database: The points.
        loop: The model.
        files: What is written.
        colors: Colour of each class, as '#rrggbb'.
        annotator: Name to begin with.

    Attributes:
        application: The Starlette application.
    """

    def __init__(
        self,
        folder: ImageFolder,
        database: PointDatabase,
        loop: PredictionLoop,
        files: AnnotationFiles,
        colors: list[str],
        annotator: str,
    ) -> None:
        self.folder, self.database, self.loop, self.files = folder, database, loop, files
        self.colors, self.annotator = colors, annotator
        self.levels = PictureLevels(folder)
        self.is_ending = False
        posts: dict[str, Answer] = {
            "/api/view": self.view,
            "/api/points": self.add_point,
            "/api/points/{point:int}": self.change_point,
            "/api/undo": lambda body: self.step(body, "undo"),
            "/api/redo": lambda body: self.step(body, "redo"),
            "/api/next": self.next,
            "/api/skip": self.skip,
            "/api/done": self.mark_done,
            "/api/masks": self.write_masks,
            "/api/train": lambda body: self.files.write_training_config(),
        }
        self.application = Starlette(
            routes=[
                Route("/", self.index),
                Route("/api/start", self.start),
                Route("/api/events", self.events),
                Route("/api/images/{image:int}", self.image),
                Route("/api/images/{image:int}/tiles/{level:int}/{row:int}/{column:int}", self.tile),
                Route("/api/images/{image:int}/{kind}.png", self.picture),
                *(Route(path, _posted(answer), methods=["POST"]) for path, answer in posts.items()),
                Mount("/static", StaticFiles(directory=STATIC)),
            ],
            exception_handlers={UserError: _say_error},
        )

    async def index(self, request: Request) -> Response:
        """Return the page."""
        return FileResponse(STATIC / "annotate.html", headers={"Cache-Control": "no-store"})

    def start(self, request: Request) -> Response:
        """Return all that the page begins with."""
        return _json(
            {
                "classes": [
                    {"name": printable(name), "color": color}
                    for name, color in zip(self.database.classes, self.colors, strict=True)
                ],
                "images": [printable(name) for name in self.folder.names],
                "annotator": self.annotator,
                "out": printable(self.files.points_file),
                **self._changes(0),
            }
        )

    def _changes(self, revision: int) -> dict[str, Any]:
        known = self.database.revision
        return {
            "revision": known,
            "points": [self._describe(p) for p in self.database.points_since(revision) if self._has(p.image)],
            "done": {
                self.folder.number_of[name]: is_done
                for name, is_done in self.database.done_since(revision).items()
                if self._has(name)
            },
        }

    def _has(self, name: str) -> bool:
        return name in self.folder.number_of

    def _describe(self, point: StoredPoint) -> dict[str, Any]:
        return {**point._asdict(), "image": self.folder.number_of[point.image], "annotator": printable(point.annotator)}

    def _number(self, number: int) -> int:
        if not 0 <= number < len(self.folder):
            raise UserError(f"Expected the number of an image in 0..{len(self.folder) - 1}, got {number}.")
        return number

    def image(self, request: Request) -> Response:
        """Return the size of an image."""
        number = self._number(request.path_params["image"])
        height, width = self.folder.size(number)
        return _json({"height": height, "width": width, "levels": num_levels((height, width)), "tile": TILE})

    def tile(self, request: Request) -> Response:
        """Return a tile of an image."""
        place = [request.path_params[name] for name in ("level", "row", "column")]
        content = self.levels.tile(self._number(request.path_params["image"]), *place)
        return Response(content, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})

    def picture(self, request: Request) -> Response:
        """Return the prediction of an image or its doubt."""
        pictures = self.loop.pictures(self._number(request.path_params["image"]))
        content = pictures and {"classes": pictures.classes, "doubt": pictures.doubt}.get(request.path_params["kind"])
        if not content:
            return Response(status_code=204)  # a picture that was there may be gone with its points
        return Response(content, media_type="image/png", headers={"Cache-Control": "no-store"})

    async def events(self, request: Request) -> Response:
        """Send what changes: points, and how far the model is."""
        since, page = request.query_params.get("since", ""), request.query_params.get("page", "")[:MAX_NAME]
        return StreamingResponse(
            self._stream_news(request, int(since[:18]) if since.isdecimal() else 0, page),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store"},
        )

    async def _stream_news(self, request: Request, revision: int, page: str) -> AsyncIterator[str]:
        last, pause = None, 0.0
        try:
            while not self.is_ending and not await request.is_disconnected():
                news: dict[str, Any] = await run_in_threadpool(self._news, revision, page)
                revision = news["revision"]
                text = json.dumps(news)
                if text != last or pause > KEEP_ALIVE_SECONDS:
                    yield f"data: {text}\n\n"
                    last, pause = json.dumps({**news, "points": [], "done": {}}), 0.0
                pause += POLL_SECONDS
                await asyncio.sleep(POLL_SECONDS)
        finally:
            self.loop.leave(page)

    def _news(self, revision: int, page: str) -> dict[str, Any]:
        changes = self._changes(revision) if self.database.revision > revision else {"points": [], "done": {}}
        return {"revision": revision, **changes, **self.loop.progress(page), "message": self.files.message}

    # What the page sends: each takes the body and returns what is answered.

    def view(self, body: dict[str, Any]) -> Any:
        """Note which image a page shows."""
        self.loop.view(self._image_of(body), str(body.get("page", ""))[:MAX_NAME])
        return {}

    def add_point(self, body: dict[str, Any]) -> Any:
        """Add a point."""
        number = self._image_of(body)
        x, y = self._place_of(body, number)
        point = self.database.add(self.folder.names[number], x, y, self._label_of(body), _annotator_of(body))
        return self._changed(self._describe(point))

    def change_point(self, body: dict[str, Any]) -> Any:
        """Move a point, change its class, delete it."""
        point = self.database.point(body["point"])
        if not self._has(point.image):
            raise UserError("Expected a point of an image in the folder.")
        values: dict[str, Any] = {}
        if "x" in body or "y" in body:
            values["x"], values["y"] = self._place_of(body, self.folder.number_of[point.image])
        if "label" in body:
            values["label"] = self._label_of(body)
        if "is_deleted" in body:
            values["is_deleted"] = bool(body["is_deleted"])
        return self._changed(self._describe(self.database.change(point.id, _annotator_of(body), **values)))

    def step(self, body: dict[str, Any], direction: str) -> Any:
        """Undo or redo; returns the image to look at, None where there is nothing."""
        step = self.database.undo if direction == "undo" else self.database.redo
        found = step(_annotator_of(body))
        return self._changed({"kind": found and found["kind"], "image": self._number_of(found)})

    def _number_of(self, found: dict[str, Any] | None) -> int | None:
        return self.folder.number_of.get(found["image"]) if found else None

    def next(self, body: dict[str, Any]) -> Any:
        """Return the spot where a label is worth most."""
        return {"spot": self.loop.next_spot(self._image_of(body))}

    def skip(self, body: dict[str, Any]) -> Any:
        """Remember that a suggestion is not wanted."""
        number = self._image_of(body)
        self.database.skip(self.folder.names[number], *self._place_of(body, number), _annotator_of(body))
        return {}

    def mark_done(self, body: dict[str, Any]) -> Any:
        """Mark an image as done, or not."""
        name = self.folder.names[self._image_of(body)]
        self.database.mark_done(name, bool(body.get("is_done")), _annotator_of(body))
        return {}

    def write_masks(self, body: dict[str, Any]) -> Any:
        """Write predicted masks, in the background."""
        if self.loop.error:
            raise UserError(self.loop.error)
        which = body.get("images")
        if which == "all":
            numbers = list(range(len(self.folder)))
        elif which == "labelled":
            numbers = sorted(
                {self.folder.number_of[p.image] for p in self.database.points_since() if self._has(p.image)}
            )
        else:
            numbers = [self._image_of({"image": which})]
        self.files.write_masks(numbers, self.loop)
        return {"folder": printable(self.files.mask_folder), "number": len(numbers)}

    def _changed(self, answer: Any) -> Any:
        self.loop.notice_click()
        self.files.notice_change()
        return answer

    def _image_of(self, body: dict[str, Any]) -> int:
        return self._number(_integer(body, "image"))

    def _place_of(self, body: dict[str, Any], number: int) -> tuple[int, int]:
        height, width = self.folder.size(number)
        x, y = _integer(body, "x"), _integer(body, "y")
        if not (0 <= x < width and 0 <= y < height):
            raise UserError(f"Expected x in 0..{width - 1} and y in 0..{height - 1}, got x={x}, y={y}.")
        return x, y

    def _label_of(self, body: dict[str, Any]) -> int:
        label = _integer(body, "label")
        if not 0 <= label < len(self.database.classes):
            raise UserError(f"Expected a class in 0..{len(self.database.classes) - 1}, got {label}.")
        return label


def _posted(answer: Answer) -> Callable[[Request], Any]:
    """Make the endpoint of a function that takes the JSON body, and the numbers of the path, and returns an answer."""

    async def endpoint(request: Request) -> Response:
        try:
            body = json.loads(await request.body() or b"{}")
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise UserError("Expected a JSON object.")
        return _json(await run_in_threadpool(answer, {**body, **request.path_params}))

    return endpoint


def _integer(body: dict[str, Any], key: str) -> int:
    value = body.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > 2**31:
        raise UserError(f"Expected `{key}` to be an int.")
    return value


def _annotator_of(body: dict[str, Any]) -> str:
    return printable(str(body.get("annotator", "")).strip()[:MAX_NAME])


def _json(value: Any) -> Response:
    return JSONResponse(value, headers={"Cache-Control": "no-store"})


async def _say_error(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": printable(error)}, 400)
