"""Open streams, by the key or token they were opened with: each ends when that ends, also while it is silent.

One look for each credential and not a task for each stream: a user may have hundreds open. A store or a sign-in
service that does not answer ends none of them. Knows nothing of gRPC.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import structlog

from services.gateway.authentication import Authentication
from services.gateway.errors import Unauthenticated
from services.gateway.ports import Now

log = structlog.get_logger()

LOOK_S: Final = 0.5
"""A key that is asked for so often is looked up in the store every 3 s, so a stream ends 3.5 s after a revocation."""
ANSWER_S: Final = 1.0
AT_ONCE: Final = 16
"""Credentials that are asked of at the same time: half the connections to the store, the others are for calls."""
EXPIRED: Final = "The key or token that this stream was opened with has expired. Open it again with another one."


class _Stay:
    """One open stream. Its time limit is there to be moved: to the end of the credential, or to now."""

    def __init__(self, limit: asyncio.Timeout) -> None:
        self.limit = limit
        self.refusal: Unauthenticated | None = None

    def end(self, refusal: Unauthenticated) -> None:
        if self.refusal is None:
            self.refusal = refusal
            self.limit.reschedule(asyncio.get_running_loop().time())


class OpenStreams:
    """The open streams of this gateway."""

    def __init__(self, authentication: Authentication, now: Now) -> None:
        self._authentication = authentication
        self._now = now
        self._stays: dict[str, set[_Stay]] = {}
        self._silent: set[str] = set()
        """Credentials that nothing could be said of in the last look."""

    @asynccontextmanager
    async def admitted(self, authorization: str, until: datetime | None) -> AsyncIterator[None]:
        """Interrupts the block with Unauthenticated when the caller with this header value may not stay any longer.

        `until` is when that is anyway."""
        left = None if until is None else (until - self._now()).total_seconds()
        stay = _Stay(asyncio.timeout(left))
        stays = self._stays.setdefault(authorization, set())
        stays.add(stay)
        try:
            async with stay.limit:
                yield
        except TimeoutError:
            if not stay.limit.expired():
                raise  # one of the stream's own
            raise stay.refusal or Unauthenticated(EXPIRED) from None
        finally:
            stays.discard(stay)
            if not stays and self._stays.get(authorization) is stays:
                del self._stays[authorization]

    async def look(self) -> None:
        """Asks of each credential whether it still works. One that this cannot be told of holds up no other."""
        waiting = iter(sorted(self._stays, key=self._silent.__contains__))  # these last: they take ANSWER_S each
        errors: list[Exception] = []
        async with asyncio.TaskGroup() as askers:
            for _ in range(min(AT_ONCE, len(self._stays))):
                askers.create_task(self._ask(waiting, errors))
        self._silent.intersection_update(self._stays)
        if errors:
            log.warning("open_streams_not_checked", credentials=len(errors), error=repr(errors[-1]))

    async def _ask(self, waiting: Iterator[str], errors: list[Exception]) -> None:
        """Takes one credential after the other, beside others that do."""
        for authorization in waiting:
            try:
                async with asyncio.timeout(ANSWER_S):
                    await self._authentication.caller(authorization)
                self._silent.discard(authorization)
            except Unauthenticated as refusal:
                self._silent.discard(authorization)
                for stay in self._stays.get(authorization, ()):
                    stay.end(refusal)
            except Exception as error:  # noqa: BLE001 - the store or the sign-in service is away; the next look finds out
                self._silent.add(authorization)
                errors.append(error)
