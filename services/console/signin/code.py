"""One-time codes: whoever has an API key gets a link that signs a browser in with it, so that the key is in no address.

A code works once, for two minutes, on the console that made it. Kept in memory only.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.console.errors import Problem, json_response
from services.console.metrics import SIGN_INS
from services.console.signin.account import Accounts
from services.console.signin.key import checked
from services.console.signin.session import Session, Sessions

LASTS_S: Final = 120
MOST: Final = 100
MOST_OF_ONE: Final = 5
"""Of one key: the oldest one goes."""
FAILED: Final = "/?signin={why}"
"""Where a sign-in ends that did not work; the page says what `why` means: expired, refused, declined, unavailable."""


class Codes:
    """The codes that were made and not used. By their hashes: comparing takes as long whatever is guessed."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._open: dict[bytes, tuple[float, Session]] = {}

    def make(self, session: Session) -> str:
        """Raises Problem where too many are open."""
        self._forget_old()
        own = [name for name, (_, other) in self._open.items() if other.bearer == session.bearer]
        for name in own[: max(0, len(own) - MOST_OF_ONE + 1)]:
            del self._open[name]
        if len(self._open) >= MOST:
            raise Problem("RESOURCE_EXHAUSTED", "Too many codes are open; try again in two minutes.")
        code = secrets.token_urlsafe(32)
        self._open[_name(code)] = (self._monotonic() + LASTS_S, session)
        return code

    def use(self, code: str) -> Session | None:
        """The session that it stands for, the first time."""
        self._forget_old()
        found = self._open.pop(_name(code), None)
        return found[1] if found else None

    def _forget_old(self) -> None:
        now = self._monotonic()
        for name in [name for name, (until, _) in self._open.items() if until <= now]:
            del self._open[name]


def routes(sessions: Sessions, accounts: Accounts, codes: Codes) -> APIRouter:
    """Signing in with a link."""
    router = APIRouter()

    @router.post("/signin/codes")
    async def make(request: Request) -> Response:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Problem("UNAUTHENTICATED", "Send an API key: `Authorization: Bearer <key>`.")
        key = checked(key.strip())
        session = accounts.session(await accounts.of(key), key)
        return json_response({"code": codes.make(session), "expiresInS": LASTS_S})

    @router.get("/signin/code")
    async def use(request: Request, code: str = "", to: str = "/") -> Response:
        session = codes.use(code)
        if session is None:
            return RedirectResponse(FAILED.format(why="expired"), status_code=303)
        response = RedirectResponse(own_path(to), status_code=303)
        sessions.begin(response, session, request)
        SIGN_INS.labels("code").inc()
        return response

    return router


def own_path(to: str) -> str:
    """`to`, if it is a path of this console; else the first page. Browsers read `//host` and `/\\host` as addresses."""
    try:
        parts = urlsplit(to)
    except ValueError:
        return "/"
    is_own = to.startswith("/") and not parts.scheme and not parts.netloc
    return to if is_own and not to.startswith(("//", "/\\")) and to.isprintable() and "\\" not in to else "/"


def _name(code: str) -> bytes:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).digest()
