"""Lists tests by filter and order, in pages.

`filters.py` says what a filter means, `shared.store.history` finds the tests."""

from __future__ import annotations

import asyncio
import struct
from typing import Final, NamedTuple

from assay.v1 import test_service_pb2
from services.gateway.caller import Caller
from services.gateway.errors import Violations
from services.gateway.history.filters import wanted_by
from services.gateway.paging import ENTRIES, foreign, sealed, unsealed
from services.gateway.ports import Past, Sums
from services.gateway.translate import BASIC
from shared.domain.lifecycle import State
from shared.ids import TestId
from shared.store.documents import Execution
from shared.store.history import Found
from shared.store.listing import Order, Place, Wanted

STEP: Final = 10
"""Whole tests carry code and answers, so they are read a few at a time until the page is full."""
MOST_BYTES: Final = 2 << 20
"""Size of a page: clients take messages of 4 MiB by default."""

_ORDERS: Final = {
    test_service_pb2.TEST_ORDER_UNSPECIFIED: Order.NEWEST,
    test_service_pb2.TEST_ORDER_NEWEST: Order.NEWEST,
    test_service_pb2.TEST_ORDER_OLDEST: Order.OLDEST,
    test_service_pb2.TEST_ORDER_STATE: Order.STATE,
    test_service_pb2.TEST_ORDER_RUN_TIME: Order.RUN_TIME,
}
_PLACE: Final = struct.Struct(">B16sd")
_NEVER_RAN: Final = -1.0


class Page(NamedTuple):
    """One page. The token is empty on the last one."""

    tests: list[Execution]
    next_page_token: str
    totals: dict[State, int]
    """Of all tests in the caller's reach; empty unless they were asked for."""


class Listing:
    """ListTests."""

    def __init__(self, past: Past, sums: Sums) -> None:
        self._past = past
        self._sums = sums

    async def page(self, request: test_service_pb2.ListTestsRequest, caller: Caller) -> Page:
        """Raises InvalidRequest with everything that is wrong."""
        wanted, order = _query(request, caller)
        seal = _seal(wanted, order)
        after = _place(unsealed(request.page_token, seal))
        size = ENTRIES.of(request.page_size)
        found = await self._read(wanted, order, after, size, whole=request.view > BASIC)
        totals = await self._sums.totals(wanted.user_id) if request.include_totals else {}
        return Page(found.tests, sealed(seal, _noted(found.next)) if found.next else "", totals)

    async def _read(self, wanted: Wanted, order: Order, after: Place | None, size: int, *, whole: bool) -> Found:
        if not whole:
            return await self._past.page(wanted, order, after, size)
        tests: list[Execution] = []
        places: list[Place] = []
        room = MOST_BYTES
        while True:
            found = await self._past.page(wanted, order, after, min(STEP, size - len(tests)), whole=True)
            for execution, place in zip(found.tests, found.places, strict=True):
                room -= weight(execution)
                if room < 0 and tests:
                    return Found(tests, places, places[-1])
                tests.append(execution)
                places.append(place)
            after = found.next
            if after is None or len(tests) >= size or not found.tests:
                return Found(tests, places, after)
            await asyncio.sleep(0)  # other calls have their turn between the steps of a large page


def _query(request: test_service_pb2.ListTestsRequest, caller: Caller) -> tuple[Wanted, Order]:
    violations = Violations()
    ENTRIES.check(request.page_size, violations)
    if request.order not in _ORDERS:
        violations.add("order", "is not a value of TestOrder")
    wanted = wanted_by(request.filter, caller, violations)
    violations.raise_if_any()
    return wanted, _ORDERS[request.order]


def _seal(wanted: Wanted, order: Order) -> bytes:
    """Names the query, whichever gateway made the token. The range of times is not part of it: who asks for the last
    seven days asks for another range with each page, and the place is the same."""
    named = (
        order,
        wanted.user_id,
        sorted(wanted.states),
        wanted.agent_id,
        wanted.labels,
        wanted.provider,
        wanted.failure_code,
        wanted.words,
    )
    return repr(named).encode()


def _noted(place: Place) -> bytes:
    run_ms = _NEVER_RAN if place.run_ms is None else place.run_ms
    return _PLACE.pack(place.leg, bytes.fromhex(place.test_id.partition("_")[2]), run_ms)


def _place(noted: bytes | None) -> Place | None:
    if noted is None:
        return None
    if len(noted) != _PLACE.size:
        raise foreign()
    leg, name, run_ms = _PLACE.unpack(noted)
    return Place(leg, TestId("tst_" + name.hex()), None if run_ms == _NEVER_RAN else run_ms)


def weight(execution: Execution) -> int:
    """Bytes of what can be long in a whole test."""
    given, answer = execution.input, execution.result.response_json if execution.result else ""
    return sum(len(text.encode()) for text in (given.agent_code, given.query, given.dockerfile, answer))
