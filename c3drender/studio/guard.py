"""Who may talk to the studio: its own page, on this machine; from another machine, who has the token."""

from __future__ import annotations

import hmac
import ipaddress
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "c3d-studio"
MOST_JSON_BYTES = 2**24
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """Refuses what does not come from the studio's own page, before anything is read.

    Parameters
    ----------
    app : ASGIApp
    hosts : frozenset of str or None
        What ``Host`` may say (a name that leads here from elsewhere is none of them); None: anything, as the token decides.
    token : str or None
        What a browser has to show, once in the address, then as a cookie; None: it is loopback, and nothing is asked.
    most_bytes : int
        Of an upload.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None, token: str | None, most_bytes: int) -> None:
        self.app, self.hosts, self.token, self.most_bytes = app, hosts, token, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = Headers(scope=scope)
        why = ""
        host = headers.get("host", "")
        if self.hosts is not None and host not in self.hosts:
            why = f"Host: expected {' or '.join(sorted(self.hosts))}, got {host[:80]}"
        origin = headers.get("origin")
        if origin is not None and origin.split("://")[-1] != host:
            why = f"Origin: expected the studio's own page, got {origin[:80]}"
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            why = "Sec-Fetch-Site: expected the studio's own page, got another's"
        if scope["method"] not in ("GET", "HEAD") and origin is None and headers.get("x-c3d-studio") != "1":
            why = "Origin: expected the studio's own page, got none"
        if why:
            await PlainTextResponse(why, 403)(scope, receive, send)
            return
        if self.token is not None and not self._has_token(headers):
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
            if not hmac.compare_digest(given.encode(), self.token.encode()):
                await PlainTextResponse("token: expected the address that the studio printed, got another", 401)(
                    scope, receive, send
                )
                return
            answer = RedirectResponse(scope["path"] or "/", 303)
            answer.set_cookie(COOKIE, self.token, httponly=True, samesite="strict")
            await answer(scope, receive, send)
            return
        await self.app(scope, self._limited(scope, receive), self._with_headers(send))

    def _has_token(self, headers: Headers) -> bool:
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and hmac.compare_digest(cookie.value.encode(), (self.token or "").encode())

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """The body, until it is longer than it may be: then the client is as good as gone."""
        takes_files = scope["path"] == "/api/projects" or scope["path"].endswith("/files")
        most = self.most_bytes if takes_files else MOST_JSON_BYTES
        count = 0

        async def counted() -> Message:
            nonlocal count
            message = await receive()
            if message["type"] == "http.request":
                count += len(message.get("body", b""))
                if count > most:
                    raise TooLarge(most)
            return message

        return counted

    def _with_headers(self, send: Send) -> Send:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *own]}
            await send(message)

        return told


class TooLarge(Exception):
    """An upload of more bytes than are taken."""

    def __init__(self, most: int) -> None:
        super().__init__(f"upload: expected at most {most // 2**20} MiB, got more")
