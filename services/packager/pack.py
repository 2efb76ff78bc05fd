"""Makes the package of a test: claims it, writes it to the object store, says how that went.

A crash at any point is harmless: the claim runs out, somebody else does the same again, and the same test and options
give the same bytes under the same key. What a packager has made that lost its claim meanwhile is not taken from it.
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog

from services.packager.metrics import BYTES, ENDED, POSTPONED, SECONDS, TAKEN_OVER, UNDER_WAY
from services.packager.ports import HandedIn, OpenObjects, Packages, Press, Pressed, Sink, StoredFiles, Tests
from shared.aws.kinds import AwsError
from shared.clock import Clock
from shared.domain.failure import KINDS, Failure, FailureCode, Stage
from shared.domain.files import cut
from shared.errors import AssayError
from shared.events.packages import PackageFailed, PackageReady
from shared.ids import PackageId, UserId
from shared.store.documents import ArchiveRef, Execution, FailureDoc
from shared.store.package_documents import Package, PackageClaim
from shared.store.packages import Made
from shared.store.sealing import StaysSealed, unsealed

log = structlog.get_logger()

LIMIT: Final = 200
MOST_DEATHS: Final = 3
"""A package that has ended so many packagers will end the next one."""
FIRST_PAUSE_S: Final = 2.0
LONGEST_PAUSE_S: Final = 60.0
ZIP: Final = "application/zip"


class Unusable(AssayError):
    """The package cannot be made, however often it is tried."""


class Pack:
    """From a request to a package that can be downloaded."""

    def __init__(
        self,
        packages: Packages,
        tests: Tests,
        files: StoredFiles,
        objects: OpenObjects,
        press: Press,
        clock: Clock,
        *,
        owner: str,
        folder: str,
        lease: timedelta,
        ttl: timedelta,
        give_up: timedelta,
        parallel: int,
    ) -> None:
        self._packages = packages
        self._tests = tests
        self._files = files
        self._objects = objects
        self._press = press
        self._clock = clock
        self._owner = owner
        self._folder = folder
        """What every key begins with."""
        self._lease = lease
        self._ttl = ttl
        self._give_up = give_up
        self._room = asyncio.Semaphore(parallel)
        self._under_way: set[PackageId] = set()
        self._broken: set[PackageId] = set()
        """Whose making raised here: this packager lives, so its claim on them is not that of a dead one."""
        self._resumed = False

    async def make(self, package_id: PackageId) -> bool:
        """Makes the package; False where it needs no making, or somebody else is at it."""
        if package_id in self._under_way:
            return False
        self._under_way.add(package_id)
        UNDER_WAY.set(len(self._under_way))
        try:
            async with self._room:
                return await self._make(package_id)
        finally:
            self._under_way.discard(package_id)
            UNDER_WAY.set(len(self._under_way))

    async def prolong(self) -> None:
        """Says that this packager is still at it."""
        if self._under_way:
            await self._packages.prolong(self._under_way, self._owner, self._clock.now() + self._lease)

    async def sweep(self) -> None:
        """Takes up what no event has told of, and what its packager has left: at first, this one before a restart."""
        wanted = await self._packages.unmade(self._clock.now(), LIMIT)
        if not self._resumed:
            wanted += await self._packages.claimed_by(self._owner, LIMIT)
            self._resumed = True
        answers = await asyncio.gather(*(self.make(package) for package in set(wanted)), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                log.warning("package_not_made", error=repr(answer))

    async def _make(self, package_id: PackageId) -> bool:
        now = self._clock.now()
        claim = PackageClaim(owner=self._owner, token=secrets.token_hex(8), until=now + self._lease)
        package = await self._packages.claim(package_id, claim, now, died=package_id not in self._broken)
        if package is None:
            return False
        if package.deaths:
            TAKEN_OVER.inc()
            log.warning("package_taken_over", package_id=package.id, deaths=package.deaths)
        try:
            self._check_hope(package, now)
            await self._write(package)
        except AwsError as error:
            await self._refused(package, error)
        except StaysSealed as error:  # however long: nothing is wrong with it
            log.error("package_waits_for_key", package_id=package.id, key=error.key)
            pause = min(max((now - package.requested_at).total_seconds(), FIRST_PAUSE_S), LONGEST_PAUSE_S)
            await self._packages.postpone(package, now + timedelta(seconds=pause))
        except Unusable as error:
            await self._fail(package, _failure(FailureCode.INTERNAL, str(error)))
        except Exception:
            self._broken.add(package_id)
            raise
        self._broken.discard(package_id)
        return True

    def _check_hope(self, package: Package, now: datetime) -> None:
        if package.deaths >= MOST_DEATHS:
            raise Unusable(f"{package.deaths} packagers disappeared while they made it.")
        if package.id in self._broken and now - package.requested_at > self._give_up:
            raise Unusable(f"It could not be made within {self._give_up.total_seconds():.0f} s.")

    async def _write(self, package: Package) -> None:
        test = await self._tests.get(package.test_id)
        if test is None:
            raise Unusable("The test is not there any more.")
        unsealed(test)
        handed_in = HandedIn(
            await self._read(test.user_id, test.input.project), await self._read(test.user_id, test.input.inputs)
        )
        objects = await self._objects()
        # Which package of a test is its newest is worth no wait for the journal: who makes it again says it again.
        await self._tests.change(test.id, where={}, set={"package_id": package.id}, brief=True, durable=False)
        key = f"{self._folder}{package.user_id}/{package.id}/{package.generation}.zip"
        pressed = await objects.upload(key, partial(_pressed, self._press, test, package, handed_in), content_type=ZIP)
        await self._finish(package, key, pressed)

    async def _read(self, user: UserId, ref: ArchiveRef | None) -> dict[str, bytes]:
        """The files by path. Raises Unusable where they were removed."""
        if ref is None:
            return {}
        data = await self._files.read(user, ref.digest)
        if data is None:
            raise Unusable("The files of the test were removed from the store; submit them again for a new test.")
        try:
            return dict(cut(ref.files, data))
        except ValueError as error:
            raise Unusable(f"The stored files of the test are not those that were tested: {error}") from error

    async def _finish(self, package: Package, key: str, pressed: Pressed) -> None:
        now = self._clock.now()
        made = Made(
            key=key,
            size=pressed.size,
            sha256=pressed.sha256,
            content_hash=pressed.content_hash,
            service_name=pressed.service_name,
            files=pressed.files,
            ready_at=now,
            expires_at=now + self._ttl,
        )
        event = PackageReady(**_ids(package, now), size_bytes=pressed.size, sha256=pressed.sha256)
        if not await self._packages.ready(package, made, event):
            log.warning("package_made_for_somebody_else", package_id=package.id)  # the same bytes under the same key
            return
        took = (now - package.requested_at).total_seconds()
        SECONDS.observe(took)
        BYTES.inc(pressed.size)
        ENDED.labels("ready").inc()
        log.info(
            "package_ready",
            package_id=package.id,
            test_id=package.test_id,
            bytes=pressed.size,
            files=len(pressed.files),
            ms=round(took * 1000),
        )

    async def _refused(self, package: Package, error: AwsError) -> None:
        """Waits for an object store that is away, and gives up on one that says no, or is away for too long."""
        now = self._clock.now()
        waited = now - package.requested_at
        if error.kind.temporary and waited < self._give_up:
            pause = min(max(waited.total_seconds(), FIRST_PAUSE_S), LONGEST_PAUSE_S)
            POSTPONED.inc()
            log.warning("package_postponed", package_id=package.id, error=str(error), pause_s=round(pause, 1))
            await self._packages.postpone(package, now + timedelta(seconds=pause))
            return
        after = f" It was tried for {waited.total_seconds():.0f} s." if error.kind.temporary else ""
        words = f"The object store did not take the package ({error.kind.word}: {error}).{after}"
        await self._fail(package, _failure(FailureCode.PACKAGE_NOT_STORED, words))

    async def _fail(self, package: Package, failure: Failure) -> None:
        event = PackageFailed(**_ids(package, self._clock.now()), message=failure.message)
        told = FailureDoc.of(failure).model_dump(exclude_none=True)
        if await self._packages.failed(package, told, event):
            ENDED.labels(failure.code).inc()
            log.error("package_failed", package_id=package.id, test_id=package.test_id, error=failure.message)


def _pressed(press: Press, test: Execution, package: Package, handed_in: HandedIn, sink: Sink) -> Pressed:
    try:
        return press(test, package, sink, handed_in)
    except AssayError:
        raise  # of the object store
    except Exception as error:
        log.error("package_broke", package_id=package.id, test_id=test.id, exc_info=error)
        raise Unusable(f"Its content could not be made: {error!r}"[:500]) from error


def _failure(code: FailureCode, message: str) -> Failure:
    hint = KINDS[code].hint
    if code is FailureCode.INTERNAL:
        hint = "Report it with the package's id. The test's own code, requirements and answer are in GetTest."
    return Failure(code, Stage.PACKAGE, message, hint, KINDS[code].retryable)


def _ids(package: Package, now: datetime) -> dict[str, Any]:
    return {
        "test_id": package.test_id,
        "user_id": package.user_id,
        "at": now,
        "package_id": package.id,
        "generation": package.generation,
    }
