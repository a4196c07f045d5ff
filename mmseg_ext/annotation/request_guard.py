"""Who may talk to the server of the page, and how much: an ASGI middleware."""

import hmac
import socket
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from starlette.responses import PlainTextResponse, RedirectResponse, Response

MAX_BODY = 64 * 1024
"""Bytes of a request's body; a click is less than one percent of it."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class BodyTooLargeError(Exception):
    """A request's body is longer than it may be."""


class RequestGuard:
    """Lets requests through that come from the page itself.

    Every request must name this server as its Host, and must bear the token: once in the address, then in a cookie that
    scripts cannot read and that other sites cannot send. What changes something must name the page as its Origin. All
    answers bear a content security policy.

    Args:
        app: The application behind it.
        token: The secret of this start of the server.
        host: The name or address that the server listens at.
        port: Its port.
    """

    def __init__(self, app: Any, token: str, host: str, port: int) -> None:
        self.app, self.token, self.port = app, token, port
        self.cookie = f"mmseg_ext_annotate_{port}"  # cookies do not tell ports apart
        self._names = {host.lower(), socket.gethostname().lower()}  # browsers write names so
        if host in ("127.0.0.1", "localhost", "::1"):
            self._names |= {"127.0.0.1", "localhost", "[::1]"}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {key.lower().encode() for key in HEADERS}
                kept = [pair for pair in message.get("headers", []) if pair[0].lower() not in own]
                message["headers"] = kept + [(key.encode(), value.encode()) for key, value in HEADERS.items()]
            await send(message)

        refusal = self._refuse(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, send_guarded)
            return
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY:
                raise BodyTooLargeError
            return message

        try:
            await self.app(scope, receive_limited, send_guarded)
        except BodyTooLargeError:
            await _too_large()(scope, receive, send_guarded)

    def _refuse(self, scope: Message, headers: Mapping[str, str]) -> Response | None:
        """Return the answer to a request that is not let through."""
        host = headers.get("host", "")
        server = (scope.get("server") or ("", 0))[0]
        if host not in {f"{name}:{self.port}" for name in self._names | {server, f"[{server}]"}}:
            return PlainTextResponse("Expected this server's own address as Host.", 400)
        origin = headers.get("origin")
        is_change = scope["method"] not in ("GET", "HEAD")
        if (origin is None and is_change) or (origin is not None and origin != f"http://{host}"):
            return PlainTextResponse("Expected a request from the page itself, got one from elsewhere.", 403)
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none") and scope["path"] != "/":
            return PlainTextResponse("Expected a request from the page itself, got one from elsewhere.", 403)
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and self._is_token(given):
            answer = RedirectResponse("/", 303)
            answer.set_cookie(self.cookie, self.token, httponly=True, samesite="strict", path="/")
            return answer
        if not self._is_token(self._cookie_of(headers)):
            text = "Expected the address that the command has printed: it holds a token. A new start has a new one."
            return PlainTextResponse(text, 403)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > MAX_BODY:
            return _too_large()
        return None

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode("utf-8", "replace"), self.token.encode())

    def _cookie_of(self, headers: Mapping[str, str]) -> str:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return ""
        return found.value if found else ""


def _too_large() -> Response:
    return PlainTextResponse(f"Expected at most {MAX_BODY} bytes.", 413, headers={"Connection": "close"})
