"""Asks for the package of a test: the one there is, or a new one, or the next generation of one whose time is over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from assay.v1 import package_service_pb2 as pb
from services.gateway.archives.intake import Intake
from services.gateway.caller import Caller
from services.gateway.errors import FilesGone, NoPackages, NotInThatState, RequestIdTaken, Violations
from services.gateway.fetch import fetch
from services.gateway.metrics import PACKAGES_REQUESTED
from services.gateway.packages.arrivals import Arrivals
from services.gateway.packages.fetch import fetch_package
from services.gateway.packages.options import checked_options, checked_wait, hash_of
from services.gateway.ports import Packages, Tests
from services.gateway.submission.specification import check_request_id
from shared.clock import Clock
from shared.domain.lifecycle import State
from shared.domain.packages import PackageState, standing
from shared.events.packages import PackageEvent, PackageExpired, PackageRequested
from shared.ids import new_package_id
from shared.store.documents import Execution
from shared.store.package_documents import Package, PackageClaim, PackageOptions
from shared.store.packages import RequestKeyTaken

UNHEARD: Final = timedelta(seconds=3)
"""After this time a packager takes a package up of which no event has told it."""


_MOST_PACKAGES: Final = 100
"""Of one test: there are fewer ways to ask for one."""


class Generation:
    """GeneratePackage and GetPackage."""

    def __init__(
        self,
        tests: Tests,
        packages: Packages,
        intake: Intake,
        arrivals: Arrivals,
        clock: Clock,
        *,
        has_bucket: bool,
    ) -> None:
        self._tests = tests
        self._packages = packages
        self._intake = intake
        self._arrivals = arrivals
        self._clock = clock
        self._has_bucket = has_bucket

    async def generate(self, request: pb.GeneratePackageRequest, caller: Caller, traceparent: str) -> Package:
        """The package as it stands after waiting for it. Raises InvalidRequest, NoSuchTest, NotInThatState where the
        test is not COMPLETED, FilesGone, RequestIdTaken, NoPackages."""
        violations = Violations()
        if not request.test_id:
            violations.add("test_id", "is empty")
        check_request_id(request.request_id, violations)
        options = checked_options(request.options, "options", violations)
        wait_s = checked_wait(request.wait if request.HasField("wait") else None, "wait", violations)
        violations.raise_if_any()
        if not self._has_bucket:
            raise NoPackages
        test = await fetch(self._tests, caller, request.test_id)
        if test.state is not State.COMPLETED:
            raise NotInThatState(
                f"Only a test that is COMPLETED has a package; this one is {test.state}.",
                test_id=test.id,
                state=test.state,
            )
        try:
            await self._intake.keep_on(test)
        except FilesGone:
            if not await self._is_there(test, options):  # a package that is made needs them no more
                raise
        package = await self._requested(test, options, request.request_id, traceparent)
        package = await self._renewed(package, traceparent)
        return await self._waited(package, caller, wait_s)

    async def get(self, request: pb.GetPackageRequest, caller: Caller) -> Package:
        """The package as it stands after waiting for it. Raises InvalidRequest, NoSuchPackage."""
        violations = Violations()
        wait_s = checked_wait(request.wait if request.HasField("wait") else None, "wait", violations)
        violations.raise_if_any()
        return await self._waited(await fetch_package(self._packages, caller, request.package_id), caller, wait_s)

    async def _is_there(self, test: Execution, options: PackageOptions) -> bool:
        """Whether there is such a package of the test that is not to be made (again)."""
        packages = await self._packages.page(
            user_id=test.user_id,
            test_id=test.id,
            agent_id="",
            states=frozenset({PackageState.READY}),
            now=self._clock.now(),
            before=None,
            limit=_MOST_PACKAGES,
        )
        return any(package.options_hash == hash_of(options) for package in packages)

    async def _requested(self, test: Execution, options: PackageOptions, request_id: str, traceparent: str) -> Package:
        wanted = self._new(test, options, traceparent)
        if request_id:
            wanted.request_keys.append(request_id)
            known = await self._packages.of_request(test.user_id, request_id)
            if known is not None and (known.test_id, known.options_hash) != (test.id, wanted.options_hash):
                raise RequestIdTaken(request_id, known.id, word="package")
        try:
            package, created = await self._packages.request(wanted, _telling(PackageRequested, wanted))
        except RequestKeyTaken as error:  # between our look and our write
            raise RequestIdTaken(request_id, "", word="package") from error
        if created:
            PACKAGES_REQUESTED.inc()
        elif not await self._remembered(package, request_id):
            raise RequestIdTaken(request_id, "", word="package")
        return package

    async def _remembered(self, package: Package, request_id: str) -> bool:
        return (
            not request_id
            or request_id in package.request_keys
            or await self._packages.remember(package.id, request_id)
        )

    async def _renewed(self, package: Package, traceparent: str) -> Package:
        """Begins the next generation of one that could not be made, or whose time is over."""
        now = self._clock.now()
        if standing(package.state, package.expires_at, now) not in {PackageState.FAILED, PackageState.EXPIRED}:
            return package
        over = [_telling(PackageExpired, package, at=now)] if package.state is PackageState.READY else []
        begun = await self._packages.renew(
            package,
            at=now,
            claim=PackageClaim(until=now + UNHEARD),
            telling=[*over, _telling(PackageRequested, package, at=now, generation=package.generation + 1)],
            traceparent=traceparent,
        )
        if begun is None:  # somebody else has begun it
            return await self._packages.get(package.id) or package
        PACKAGES_REQUESTED.inc()
        return begun

    async def _waited(self, package: Package, caller: Caller, wait_s: float) -> Package:
        if package.state is not PackageState.GENERATING or not wait_s:
            return package
        with self._arrivals.expecting(package.id) as arrival:
            package = await fetch_package(self._packages, caller, package.id)
            if package.state is not PackageState.GENERATING:
                return package
            await arrival.within(wait_s)
        return await fetch_package(self._packages, caller, package.id)

    def _new(self, test: Execution, options: PackageOptions, traceparent: str) -> Package:
        package_id, now = new_package_id(), self._clock.now()
        return Package(
            id=package_id,
            test_id=test.id,
            user_id=test.user_id,
            agent_id=test.agent_id,
            options=options,
            options_hash=hash_of(options),
            request_keys=[package_id],
            created_at=now,
            requested_at=now,
            claim=PackageClaim(until=now + UNHEARD),
            traceparent=traceparent,
        )


def _telling(kind: type[PackageEvent], package: Package, **more: Any) -> PackageEvent:
    fields: dict[str, Any] = {
        "test_id": package.test_id,
        "user_id": package.user_id,
        "at": package.requested_at,
        "package_id": package.id,
        "generation": package.generation,
    }
    return kind(**fields | more)
