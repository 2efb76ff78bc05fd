"""Lists packages in pages, newest first."""

from __future__ import annotations

from typing import Final, NamedTuple

from assay.v1 import package_service_pb2 as pb
from services.gateway.caller import Caller
from services.gateway.errors import Violations
from services.gateway.packages.messages import STATE_OF
from services.gateway.paging import ENTRIES, PACKAGES, page_token, place_of
from services.gateway.ports import Packages
from shared.clock import Clock
from shared.domain.packages import PackageState
from shared.ids import TEST_ID, PackageId, TestId, UserId
from shared.store.package_documents import Package

LONGEST_AGENT_ID: Final = 64


class PackagePage(NamedTuple):
    """One page. The token is empty on the last one."""

    packages: list[Package]
    next_page_token: str


class _Query(NamedTuple):
    user_id: UserId | None
    test_id: TestId | None
    agent_id: str
    states: frozenset[PackageState]

    @property
    def seal(self) -> bytes:
        return "\0".join(
            ["packages", self.user_id or "*", self.test_id or "", self.agent_id, *sorted(self.states)]
        ).encode()


class PackageListing:
    """ListPackages."""

    def __init__(self, packages: Packages, clock: Clock) -> None:
        self._packages = packages
        self._clock = clock

    async def page(self, request: pb.ListPackagesRequest, caller: Caller) -> PackagePage:
        """Raises InvalidRequest."""
        query = _query(request, caller)
        last = place_of(request.page_token, query.seal, PACKAGES)
        size = ENTRIES.of(request.page_size)
        found = await self._packages.page(
            **query._asdict(), now=self._clock.now(), before=PackageId(last) if last else None, limit=size + 1
        )
        more = len(found) > size
        return PackagePage(found[:size], page_token(query.seal, found[size - 1].id) if more else "")


def _query(request: pb.ListPackagesRequest, caller: Caller) -> _Query:
    violations = Violations()
    wanted = request.filter
    ENTRIES.check(request.page_size, violations)
    if wanted.test_id and not TEST_ID.fullmatch(wanted.test_id):
        violations.add("filter.test_id", "is not the id of a test")
    if len(wanted.agent_id) > LONGEST_AGENT_ID:
        violations.add("filter.agent_id", f"is longer than {LONGEST_AGENT_ID} characters")
    for place, number in enumerate(wanted.states):
        if number not in STATE_OF:
            violations.add(f"filter.states[{place}]", "is not a state")
    violations.raise_if_any()
    states = {STATE_OF[number] for number in wanted.states} or set(PackageState) - {PackageState.EXPIRED}
    test_id = TestId(wanted.test_id) if wanted.test_id else None
    return _Query(caller.scope, test_id, wanted.agent_id, frozenset(states))
