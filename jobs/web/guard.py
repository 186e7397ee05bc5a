"""The guard in front of every app: who may ask (Host, Origin, token), how much they may send, and what headers go out.

A page on another site can make a browser send requests to ``localhost``. It cannot set ``Host`` to one of our names
(DNS rebinding keeps its own name there) and it cannot hide its ``Origin`` on a POST, so both are checked.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
COOKIE = "filmstock_token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""Content-Security-Policy: nothing inline, nothing from elsewhere, in nobody's frame."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
MAX_BODY = 1 << 20
"""Most bytes of a request's body, unless a route allows more."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who may use an app."""

    host: str = "127.0.0.1"
    """Address that the server is bound to."""
    token: str | None = None
    """Secret that every request must carry; None asks for none, which is allowed on loopback only."""
    names: frozenset[str] = frozenset()
    """Further names that ``Host`` may be, e.g. of a proxy in front."""
    max_body: int = MAX_BODY
    """Most bytes of a body."""
    uploads: Mapping[str, int] = field(default_factory=dict)
    """Prefix of a path -> most bytes of a body there."""

    def __post_init__(self) -> None:
        if self.token is None and not is_loopback(self.host):
            raise ValueError(f"{self.host} is not loopback: an app bound there needs a token")

    def body_limit(self, path: str) -> int:
        """Most bytes of a body sent to ``path``."""
        fits = [size for prefix, size in self.uploads.items() if path.startswith(prefix)]
        return max(fits, default=self.max_body)

    def knows(self, host: str) -> bool:
        """Whether a request's ``Host`` is one of ours: an address, or a name that nobody else can point here."""
        name = host_name(host)
        if name in LOCAL_NAMES or name in self.names or name == self.host.lower():
            return True
        return not is_loopback(self.host) and is_address(name)


def host_name(host: str) -> str:
    """``Host`` without its port, in lower case: ``[::1]:8000`` gives ``::1``."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_address(name: str) -> bool:
    """Whether a name is an IP address, which no DNS server can point elsewhere."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine only."""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)


class TooLarge(Exception):
    """A body went past its limit while it was read."""


class Guard:
    """ASGI middleware that lets in what ``Access`` allows; it streams, and buffers nothing."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request, then hand it on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # no app of ours speaks anything else
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = Headers(scope=scope)
        answer = self._refusal(scope, headers) or self._sign_in(scope, headers)
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                out = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    out.setdefault(name, value)
                out.setdefault("Cache-Control", "no-cache")
            await send(message)

        if answer is not None:
            await answer(scope, receive, sending)
            return
        try:
            await self.app(scope, self._bounded(scope, receive), sending)
        except TooLarge:
            if not started:
                await self._too_large(scope)(scope, receive, sending)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to a request that is refused, None when it may come in."""
        if not self.access.knows(headers.get("host", "")):
            return _no(
                scope,
                421,
                "this server does not go by that name (Host); use its address, or --allow-host NAME",
            )
        if not self._same_site(scope, headers):
            return _no(scope, 403, "a page of another site sent this request (Origin)")
        length = headers.get("content-length", "0")
        if not length.isdigit():
            return _no(scope, 400, "Content-Length is no number")
        if int(length) > self.access.body_limit(scope["path"]):
            return self._too_large(scope)
        return None

    def _same_site(self, scope: Scope, headers: Headers) -> bool:
        """Whether a request comes from one of our pages, from the address bar, or from no browser at all."""
        origin = headers.get("origin")
        if origin is not None and scope["method"] not in SAFE_METHODS:
            return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
        site = headers.get("sec-fetch-site", "none")
        if site in ("same-origin", "none"):
            return True
        # A link on another page may lead here; a script, a picture or a form of another page may not.
        return scope["method"] in SAFE_METHODS and headers.get("sec-fetch-mode") == "navigate"

    def _sign_in(self, scope: Scope, headers: Headers) -> Response | None:
        """None when the request carries the token; a link with ``?token=`` turns it into a cookie."""
        token = self.access.token
        if token is None:
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = dict(query).get("token")
        if given is not None and scope["method"] == "GET" and _same(given, token):
            rest = urlencode([pair for pair in query if pair[0] != "token"])
            path = "/" + scope["path"].lstrip("/")  # never //elsewhere
            answer = RedirectResponse(path + (f"?{rest}" if rest else ""), 303)
            answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", path="/")
            return answer
        bearer = headers.get("authorization", "")
        if bearer.startswith("Bearer ") and _same(bearer.removeprefix("Bearer ").strip(), token):
            return None
        try:
            jar = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            jar = SimpleCookie()
        if COOKIE in jar and _same(jar[COOKIE].value, token):
            return None
        return _no(
            scope,
            401,
            "a token is needed: open the link that the server printed, or send Authorization: Bearer TOKEN",
        )

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """``receive`` that ends with ``TooLarge`` when a body has no length and does not stop."""
        limit, taken = self.access.body_limit(scope["path"]), 0

        async def reading() -> Message:
            nonlocal taken
            message = await receive()
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > limit:
                    raise TooLarge
            return message

        return reading

    def _too_large(self, scope: Scope) -> Response:
        limit = self.access.body_limit(scope["path"])
        return _no(scope, 413, f"the body is larger than {limit} bytes")


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


def _no(scope: Scope, code: int, why: str) -> Response:
    if scope["path"].startswith("/api/"):
        return JSONResponse({"error": why}, code)
    return PlainTextResponse(f"{why}\n", code)
