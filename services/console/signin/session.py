"""Sessions: who asks, from the sealed cookie of a request. The console itself remembers nobody.

Owns the cookie's name and content. Knows nothing of how somebody signed in.
"""

from __future__ import annotations

import secrets as random
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response

from services.console.errors import Problem
from services.console.signin import cookies
from services.console.signin.ended import Ended
from services.console.signin.sealing import Seal

log = structlog.get_logger()

COOKIE: Final = "assay_session"
USER_HEADER: Final = "x-assay-user"
"""Optional: for whom the page thinks it asks. Another tab may have signed in somebody else meanwhile."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in. Times are seconds since 1970."""

    user: str
    bearer: str
    """An API key, or a token of the sign-in service."""
    until: float
    oidc: bool = False
    refresh: str = ""
    """What gets the next token, where the sign-in service gave one."""
    renew_at: float = 0.0
    """When the bearer is to be renewed. Zero: never."""
    bearer_until: float = 0.0
    """When the bearer ends, where it is to be renewed."""
    id: str = ""
    """Made when it begins, and the same for as long as it lasts."""


Renewal = Callable[[Session], Awaitable[Session]]
"""A session with a new bearer. Raises Problem, `dead` where there will be none."""


class Sessions:
    """Reads and writes the cookie."""

    def __init__(self, seal: Seal, now: Callable[[], float], *, lasts_s: float, renew: Renewal | None = None) -> None:
        self._seal = seal
        self._now = now
        self._renew = renew
        self._ended = Ended(now, lasts_s=lasts_s)
        self.lasts_s = lasts_s

    async def of(self, request: Request) -> Session:
        """Whose request it is. Raises Problem (UNAUTHENTICATED) where nobody is signed in, or somebody else."""
        session = self._in(request)
        if session is not None and self._ended.has(session.id, request):
            request.state.ended = session.id
            session = None
        if session is None:
            raise Problem("UNAUTHENTICATED", "You are not signed in.", reason="NO_SESSION")
        expected = request.headers.get(USER_HEADER)
        if expected and expected != session.user:
            raise Problem(
                "UNAUTHENTICATED", f"{session.user} is signed in now, and not {expected[:64]}.", reason="USER_CHANGED"
            )
        request.state.session = session
        if self._renew is not None and 0 < session.renew_at <= self._now():
            session = await self._renew(session)
            request.state.renewed = session
        return session

    async def bearer(self, request: Request) -> str:
        """The API key or token of whoever asks, as a dependency of a route. Raises Problem."""
        return (await self.of(request)).bearer

    def _in(self, request: Request) -> Session | None:
        value = self._seal.open(cookies.read(request.cookies, COOKIE))
        if value is None:
            return None
        try:
            session = Session(**value)
        except TypeError:  # sealed by another version of the console
            return None
        return session if session.until > self._now() else None

    def begin(self, response: Response, session: Session, request: Request) -> None:
        """Somebody signed in, in the place of whoever was signed in before. Raises cookies.TooManyPieces."""
        self.keep(response, replace(session, id=random.token_urlsafe(9)), request)
        self._mark(response, request)

    def keep(self, response: Response, session: Session, request: Request) -> None:
        """Raises cookies.TooManyPieces."""
        seconds = max(1, int(session.until - self._now()))
        cookies.write(response, COOKIE, self._seal.close(asdict(session)), request, seconds=seconds)

    def end(self, response: Response, request: Request) -> None:
        """The session works no more."""
        cookies.remove(response, COOKIE, request)

    def sign_out(self, response: Response, request: Request) -> None:
        """Signs out here, whatever else is under way. The key goes on to work."""
        self.end(response, request)
        self._mark(response, request)

    def over(self, response: Response, request: Request) -> None:
        """The gateway refused a key: if it was the session's, and not one that somebody tries to sign in with."""
        session: Session | None = getattr(request.state, "session", None)
        if session is None:
            return
        request.state.renewed = None
        if not self._ended.has(session.id, request):  # else it is over, and whoever has signed in since stays
            self.end(response, request)

    def finish(self, response: Response, request: Request) -> None:
        """Writes what became of the session during the request, if anything did."""
        ended: str = getattr(request.state, "ended", "")
        if self._ended.is_known_to_browser(ended, request):  # an answer that was under way had brought it back
            self.end(response, request)
        elif ended:  # sent before the browser heard: meanwhile it may have the cookie of whoever signed in since
            self._ended.add(ended, response, request)
        renewed: Session | None = getattr(request.state, "renewed", None)
        if renewed is None or self._ended.has(renewed.id, request):
            return
        try:
            self.keep(response, renewed, request)
        except (
            cookies.TooManyPieces
        ):  # whoever is asked to sign in again hears why; an answer that breaks off says nothing
            log.warning("session_does_not_fit", user=renewed.user)
            self.end(response, request)

    def _mark(self, response: Response, request: Request) -> None:
        """The session that the request came with has ended."""
        session = self._in(request)
        if session is not None:
            self._ended.add(session.id, response, request)
