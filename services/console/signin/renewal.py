"""The next token of a session, once for all requests of a page that ask at the same time.

Services that rotate refresh tokens take each of them once; who comes with a used one is taken for a thief.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from services.console.errors import Problem
from services.console.signin.provider import EARLY_S, Provider, SignInFailed, Tokens
from services.console.signin.session import Session

log = structlog.get_logger()

KEPT_S: Final = 60.0
"""For requests that were sent before the browser had the new cookie."""
AGAIN_S: Final = 60.0
"""A token whose end nobody says is not renewed more often."""
PAUSE_S: Final = 5.0
"""While the service is away and tokens still work, so long nobody waits for it again."""
OVER: Final = "Your session at the sign-in service has ended. Sign in again."


@dataclass(slots=True)
class _Renewal:
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    tokens: Tokens | None = None
    at: float = 0.0
    again_at: float = 0.0


class Renewals:
    """What was renewed a moment ago, by the hash of the refresh token."""

    def __init__(self, provider: Provider, now: Callable[[], float]) -> None:
        self._provider = provider
        self._now = now
        self._known: dict[bytes, _Renewal] = {}

    async def __call__(self, session: Session) -> Session:
        """The session with a new token. With its old one where the service is away and that still works.

        Raises Problem."""
        self._forget_old()
        name = hashlib.sha256(session.refresh.encode()).digest()
        known = self._known.setdefault(name, _Renewal(at=self._now()))
        async with known.turn:
            if known.tokens is None:
                works = self._now() < session.bearer_until
                if works and self._now() < known.again_at:
                    return session
                try:
                    known.tokens = await self._provider.renew(session.refresh)
                except SignInFailed as failure:
                    known.again_at = self._now() + PAUSE_S
                    return without(session, failure, works=works)
                finally:
                    known.at = self._now()
        return renewed(session, known.tokens, self._now())

    def _forget_old(self) -> None:
        oldest = self._now() - KEPT_S
        old = [name for name, known in self._known.items() if known.at < oldest and not known.turn.locked()]
        for name in old:
            del self._known[name]


def without(session: Session, failure: SignInFailed, *, works: bool) -> Session:
    """What is left where no token came: the session as it is, while its token works. Raises Problem."""
    log.warning("token_not_renewed", why=failure.why, error=str(failure))
    if failure.why != "unavailable":
        raise Problem("UNAUTHENTICATED", OVER, reason="SESSION_ENDED", dead=True) from failure
    if works:
        return session
    raise Problem("UNAVAILABLE", "The sign-in service does not answer.", reason="SIGN_IN_AWAY") from failure


def renewed(session: Session, tokens: Tokens, now: float) -> Session:
    """The session with these tokens; without a refresh token it ends with its token."""
    refresh = tokens.refresh
    if not refresh:
        until = min(session.until, tokens.until) if tokens.until is not None else session.until
        return replace(session, bearer=tokens.bearer, refresh="", renew_at=0.0, until=until)
    ends = now + AGAIN_S + EARLY_S if tokens.until is None else tokens.until
    renew_at = max(ends - EARLY_S, now + 1)
    return replace(session, bearer=tokens.bearer, refresh=refresh, renew_at=renew_at, bearer_until=ends)
