"""Lists tests in pages, newest first.

What it cannot filter or order by yet it refuses by name, instead of leaving it out in silence.
"""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

from assay.v1 import test_service_pb2
from services.gateway.caller import Caller
from services.gateway.errors import NotYet, Violations
from services.gateway.pagetoken import page_token, place_of
from services.gateway.ports import Tests
from services.gateway.translate import BASIC, STATE_OF
from shared.domain.lifecycle import State
from shared.ids import USER_ID, TestId, UserId
from shared.store.documents import Execution

DEFAULT_SIZE: Final = 20
MOST: Final = 100
STEP: Final = 10
"""Whole tests carry code and answers, so they are read a few at a time until the page is full."""
MOST_BYTES: Final = 2 << 20
"""Size of a page: clients take messages of 4 MiB by default."""

_FILTERS: Final = (
    "This server filters tests by states, include_archived and user_id only, not yet by {}; filter the page you get."
)


class Page(NamedTuple):
    """One page. The token is empty on the last one."""

    tests: list[Execution]
    next_page_token: str


class _Query(NamedTuple):
    user_id: UserId | None
    states: tuple[State, ...]

    @property
    def seal(self) -> bytes:
        return "\0".join([self.user_id or "*", *self.states]).encode()


class Listing:
    """ListTests."""

    def __init__(self, tests: Tests) -> None:
        self._tests = tests

    async def page(self, request: test_service_pb2.ListTestsRequest, caller: Caller) -> Page:
        """Raises InvalidRequest, and NotYet for what cannot be asked yet."""
        query = _query(request, caller)
        last = place_of(request.page_token, query.seal)
        before = TestId(last) if last else None
        size = min(request.page_size or DEFAULT_SIZE, MOST)
        tests, more = await self._read(query, before, size, whole=request.view > BASIC)
        return Page(tests, page_token(query.seal, tests[-1].id) if more else "")

    async def _read(
        self, query: _Query, before: TestId | None, size: int, *, whole: bool
    ) -> tuple[list[Execution], bool]:
        """At most `size` tests, and whether there are more."""
        step = STEP if whole else size
        tests: list[Execution] = []
        room = MOST_BYTES
        while True:
            wanted = min(step, size - len(tests)) + 1
            found = await self._tests.page(
                user_id=query.user_id, states=query.states, before=before, limit=wanted, whole=whole
            )
            for execution in found[: wanted - 1]:
                room -= _weight(execution) if whole else 0
                if room < 0 and tests:
                    return tests, True
                tests.append(execution)
            more = len(found) == wanted
            if not more or len(tests) >= size:
                return tests, more
            before = tests[-1].id
            await asyncio.sleep(0)  # other calls have their turn between the steps of a large page


def _query(request: test_service_pb2.ListTestsRequest, caller: Caller) -> _Query:
    violations = Violations()
    wanted = request.filter
    if request.page_size < 0:
        violations.add("page_size", f"must be from 1 to {MOST}, or 0 for {DEFAULT_SIZE}")
    if request.order not in test_service_pb2.TestOrder.values():
        violations.add("order", "is not a value of TestOrder")
    if wanted.user_id and not USER_ID.fullmatch(wanted.user_id):
        violations.add("filter.user_id", "must be 1 to 64 letters, digits, _ and -")
    for place, number in enumerate(wanted.states):
        if number not in STATE_OF:
            violations.add(f"filter.states[{place}]", "is not a state")
    violations.raise_if_any()
    if later := _filters_of_later(wanted):
        raise NotYet(_FILTERS.format(", ".join(later)))
    if request.order > test_service_pb2.TEST_ORDER_NEWEST:
        raise NotYet("This server lists tests newest first only, not yet in another order.")
    if request.include_totals:
        raise NotYet(
            "This server does not count tests by state yet; QueueService.GetQueueStatus has what waits and runs."
        )
    chosen = {STATE_OF[number] for number in wanted.states}
    if not chosen:
        chosen = set(State) if wanted.include_archived else set(State) - {State.ARCHIVED}
    user: UserId | None = caller.user_id
    if caller.admin:
        user = UserId(wanted.user_id) if wanted.user_id else None
    return _Query(user, tuple(sorted(chosen)))


def _filters_of_later(wanted: test_service_pb2.TestFilter) -> list[str]:
    given = {
        "agent_id": bool(wanted.agent_id),
        "labels": bool(wanted.labels),
        "provider": bool(wanted.provider),
        "failure_code": bool(wanted.failure_code),
        "submitted_from": wanted.HasField("submitted_from"),
        "submitted_before": wanted.HasField("submitted_before"),
        "text": bool(wanted.text),
    }
    return [name for name, is_given in given.items() if is_given]


def _weight(execution: Execution) -> int:
    given, answer = execution.input, execution.result.response_json if execution.result else ""
    return sum(len(text.encode()) for text in (given.agent_code, given.query, given.dockerfile, answer))
