"""Puts tests away that have ended: by name, or all that ended long ago. Waiting and running ones are never touched."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Final, NamedTuple

from assay.v1 import test_service_pb2 as pb
from services.gateway.caller import Caller, changed, touch
from services.gateway.errors import Forbidden, Violations
from services.gateway.history.filters import wanted_by
from services.gateway.ports import Past, Tests
from services.gateway.times import span
from shared.clock import Clock, shifted
from shared.domain.lifecycle import MOVES, State
from shared.events.tests import TestArchived
from shared.ids import TEST_ID, TestId
from shared.store.documents import Execution
from shared.store.executions import Move
from shared.store.listing import Order, Place, Wanted

MOST_IDS: Final = 1_000
USUAL_AGE: Final = timedelta(days=7)
PAGE: Final = 200
NAMED: Final = 50
"""So many of the tests that were archived by name are named in the audit log; each has an event of its own."""
ARCHIVABLE: Final = frozenset(state for state, next_ones in MOVES.items() if State.ARCHIVED in next_ones)


class Archived(NamedTuple):
    """How many were archived, and which of those that were named were not."""

    number: int
    skipped: list[str]


class Archive:
    """ArchiveTests."""

    def __init__(self, tests: Tests, past: Past, clock: Clock) -> None:
        self._tests = tests
        self._past = past
        self._clock = clock

    async def archive(self, request: pb.ArchiveTestsRequest, caller: Caller, traceparent: str) -> Archived:
        """Archives, or with `validate_only` counts. Raises InvalidRequest, Forbidden.

        A call that is broken off has archived a part; the next one goes on with the rest."""
        violations = Violations()
        if len(request.test_ids) > MOST_IDS:
            violations.add("test_ids", f"are more than {MOST_IDS}; name fewer, or archive by age")
        if request.test_ids and request.HasField("filter"):
            violations.add("filter", "goes without test_ids only: they say already which tests are meant")
        if request.everybody and (request.test_ids or request.filter.user_id or request.filter.own):
            violations.add("everybody", "goes without test_ids, filter.user_id and filter.own only")
        if request.everybody and not caller.admin:
            raise Forbidden("Only an admin archives the tests of all users: leave out everybody for your own.")
        older_than = span(request, "older_than", "older_than", violations)
        wanted = wanted_by(request.filter, caller, violations)
        if ARCHIVABLE.isdisjoint(wanted.states):
            violations.add("filter.states", "has none of COMPLETED, FAILED and TIMED_OUT: only these can be archived")
        violations.raise_if_any()
        if request.test_ids:
            return await self._named(request, older_than or timedelta(), caller, traceparent)
        cutoff = shifted(self._clock.now(), -(USUAL_AGE if older_than is None else older_than))
        before = min(cutoff, wanted.submitted_before or cutoff)
        wanted = replace(
            wanted,
            # There is no way back out of the archive, so an admin's own are meant where nobody is named.
            user_id=None if request.everybody else wanted.user_id or caller.user_id,
            states=wanted.states & ARCHIVABLE,
            submitted_before=before,
            finished_before=cutoff,
        )
        if request.validate_only:
            return Archived(await self._past.count(wanted), [])
        count = await self._all(wanted, caller, traceparent)
        changed("archived", "", count)
        return Archived(count, [])

    async def _named(
        self, request: pb.ArchiveTestsRequest, age: timedelta, caller: Caller, traceparent: str
    ) -> Archived:
        cutoff = shifted(self._clock.now(), -age)
        names = list(dict.fromkeys(request.test_ids))
        found = await self._tests.get_many(TestId(name) for name in names if TEST_ID.fullmatch(name))
        ready = [
            test
            for test in found.values()
            if caller.scope in {None, test.user_id}
            and test.state in ARCHIVABLE
            and test.times.finished is not None
            and test.times.finished <= cutoff
        ]
        if request.validate_only:
            done = {test.id for test in ready}
        else:
            for owner in sorted({test.user_id for test in ready}):
                await touch("test", "", owner)
            moved = await asyncio.gather(*(self._put_away(test, caller, traceparent) for test in ready))
            done = {test.id for test, ok in zip(ready, moved, strict=True) if ok}
            changed("archived", "", f"{len(done)}: {', '.join(sorted(done)[:NAMED])}")
        return Archived(len(done), [name for name in names if name not in done])

    async def _all(self, wanted: Wanted, caller: Caller, traceparent: str) -> int:
        count = 0
        after: Place | None = None
        while True:
            found = await self._past.page(wanted, Order.OLDEST, after, PAGE)
            moved = await asyncio.gather(*(self._put_away(test, caller, traceparent) for test in found.tests))
            count += sum(moved)
            after = found.next
            if after is None:
                return count

    async def _put_away(self, test: Execution, caller: Caller, traceparent: str) -> bool:
        now = self._clock.now()
        return await self._tests.move(
            Move(
                test_id=test.id,
                source=test.state,
                attempt=test.attempt,
                to=State.ARCHIVED,
                at=now,
                by=caller.user_id,
                telling=(TestArchived(test_id=test.id, user_id=test.user_id, attempt=test.attempt, at=now),),
                set={"times.archived": now},
                traceparent=traceparent,
            )
        )
