"""Who comes in, decided on the headers of a call alone: not a byte of its message is read before.

Knows nothing of what a method does.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from services.gateway.audit.trail import Audit
from services.gateway.authentication import Authentication
from services.gateway.budgets import Budget, Place
from services.gateway.caller import CALL, Call, Caller
from services.gateway.errors import Forbidden, TooManyCalls, TooManyWrongKeys, Unauthenticated
from services.gateway.metrics import TURNED_AWAY
from services.gateway.peers import peer_of
from services.gateway.visits import Visit
from services.gateway.wrongkeys import WrongKeys
from shared.errors import AssayError, Unavailable
from shared.store.connect import StoreError
from shared.telemetry.tracing import new_traceparent

if TYPE_CHECKING:
    from services.gateway.visits import Context

IN_NEED_LIMIT_S: Final = 0.7


class Entrance:
    """Lets callers in, each for the time of a call: no more than `most_calls` at once, `most_of_user` of one user."""

    def __init__(
        self,
        authentication: Authentication,
        wrong: WrongKeys,
        audit: Audit,
        *,
        most_calls: int,
        most_of_user: int,
    ) -> None:
        self._authentication = authentication
        self._audit = audit
        self._wrong = wrong
        self._calls = Budget(most_calls, most_of_user, _too_many)

    async def enter(self, visit: Visit, context: Context) -> str:
        """Lets the caller in; what the caller showed. Raises Unauthenticated, Forbidden or TooManyWrongKeys."""
        authorization = traceparent = None
        for name, value in context.invocation_metadata() or ():
            if name == "authorization":
                authorization = value
            elif name == "traceparent":
                traceparent = value
        visit.traceparent = new_traceparent(_text(traceparent))
        shown = _text(authorization)
        caller = self._authentication.remembered(shown) if visit.method.in_need else None
        visit.unconfirmed = caller is not None
        if caller is None:
            try:
                caller = await self._caller(shown, IN_NEED_LIMIT_S if visit.method.in_need else None)
            except Unauthenticated as refusal:
                await self._slow_down(visit, context, refusal)
                raise
        visit.user = caller.user_id
        if visit.method.for_admins and not caller.admin:
            await self._audit.denied(visit.method.name, caller, context, visit.traceparent)
            raise Forbidden
        visit.trail = self._audit.of(visit.method.name, caller, context, visit.traceparent)
        CALL.set(Call(caller, visit.traceparent, visit.trail))
        return shown or ""

    def place(self, visit: Visit) -> Place:
        """A place among the calls under way, for the user who was let in. Entering it raises TooManyCalls."""
        return self._calls.place(visit.user)

    async def refusal(self, shown: str) -> AssayError | None:
        """Why the caller who was let in by memory may not have the answer; None where nothing is known against it."""
        try:
            caller = await self._caller(shown, IN_NEED_LIMIT_S)
        except Unauthenticated as error:
            return error
        except (Unavailable, StoreError):
            return None
        return None if caller.admin else Forbidden()

    async def _slow_down(self, visit: Visit, context: Context, refusal: Unauthenticated) -> None:
        try:
            visit.quiet = await self._wrong.slow_down(peer_of(context.peer()), refusal)
        except TooManyWrongKeys:
            visit.quiet = True
            raise

    async def _caller(self, shown: str | None, limit_s: float | None) -> Caller:
        """The caller as the store knows it. Raises Unavailable where it does not answer in time."""
        limit = asyncio.timeout(limit_s)
        try:
            async with limit:
                return await self._authentication.caller(shown)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise Unavailable("The store does not answer, and this gateway does not know your key yet.") from error


def _too_many(user: str, most: int) -> TooManyCalls:
    TURNED_AWAY.labels(TooManyCalls.limit).inc()
    return TooManyCalls(user, most)


def _text(value: str | bytes | None) -> str | None:
    return value.decode("latin-1") if isinstance(value, bytes) else value
