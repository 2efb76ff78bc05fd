"""Takes files in that go with a test: whole in the request, or by the digest of what was handed in before.

Checks first and stores last, for a day, until a test that was accepted has them kept: what is refused leaves nothing
behind for long. Reading an archive is work for a thread, and only so many are read at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

from assay.v1 import test_pb2
from services.gateway.archives import archive as archives
from services.gateway.archives.archive import BadArchive, Content, Limits
from services.gateway.archives.at_once import AtOnce
from services.gateway.errors import (
    Busy,
    FilesGone,
    InvalidRequest,
    StoredTooMuch,
    TooManyUploads,
    UnknownFiles,
    Violation,
    Violations,
)
from services.gateway.ports import StoredFiles
from shared.clock import Clock
from shared.domain.files import Joined, cut, digest, join, stored_size
from shared.ids import UserId
from shared.store.documents import ArchiveRef, Execution, StoredFile

AT_ONCE: Final = 4
"""Archives that are unpacked at the same time; each may take some 25 MiB."""
MOST_PIECE: Final = 1 << 20
MOST_UPLOADS: Final = 4
"""Uploads of a user under way at the same time."""
MOST_RECEIVED: Final = 256 << 20
"""Bytes of all uploads that are under way in this process."""
UPLOAD_S: Final = 600
UNUSED: Final = timedelta(days=1)
"""So long files are kept that no test has used."""


class Keeping(NamedTuple):
    """How much may be handed in, and how long it is kept after its last use."""

    project: Limits
    inputs: Limits
    days: int
    """Days."""
    most_bytes: int
    """Of a user, all files together; 0: no limit."""

    @property
    def upload(self) -> Limits:
        """For files of which nobody has said what they are for."""
        return Limits("an upload", max(self.project.files, self.inputs.files), max(self.project.size, self.inputs.size))


class Taken(NamedTuple):
    """Files that are fit for a test. `data` is None where they are stored already."""

    ref: ArchiveRef
    data: bytes | None = None
    left_out: int = 0


class Intake:
    """Files on their way to the store."""

    def __init__(self, store: StoredFiles, clock: Clock, keeping: Keeping) -> None:
        self._store = store
        self._clock = clock
        self._keeping = keeping
        self._room = asyncio.Semaphore(AT_ONCE)
        self._uploads = AtOnce(MOST_UPLOADS, TooManyUploads)
        self._received_bytes = 0
        self._turns: WeakValueDictionary[UserId, asyncio.Lock] = WeakValueDictionary()

    # -- uploads

    async def upload(self, pieces: AsyncIterator[bytes], user: UserId) -> ArchiveRef:
        """Stores an archive that comes in pieces, for a test to come. Raises InvalidRequest, StoredTooMuch,
        TooManyUploads, Busy."""
        received = bytearray()
        with self._uploads.one_more(user):
            try:
                async with asyncio.timeout(UPLOAD_S):
                    await self._receive(pieces, received)
                joined, _ = await self._unpacked(bytes(received), self._keeping.upload, "data")
            finally:
                self._received_bytes -= len(received)
        ref = _ref(joined)
        await self._put(user, ref, joined.data)
        return ref

    async def _receive(self, pieces: AsyncIterator[bytes], received: bytearray) -> None:
        limits = self._keeping.upload
        # What does not compress becomes a little larger in an archive.
        most = limits.size + limits.files * 1024 + 65_536
        async for piece in pieces:
            if len(piece) > MOST_PIECE:
                raise InvalidRequest([Violation("data", f"has {len(piece)} bytes; a piece has at most {MOST_PIECE}")])
            if self._received_bytes + len(piece) > MOST_RECEIVED:
                raise Busy("Too many uploads are under way here; try again in a moment.")
            received += piece
            self._received_bytes += len(piece)
            if len(received) > most:
                raise InvalidRequest([Violation("data", f"goes on after {most} bytes, which is too much in any case")])

    # -- files of a test

    async def project(
        self, given: test_pb2.Archive, user: UserId, violations: Violations, more: dict[str, bytes]
    ) -> Taken | None:
        """The files of a project, with `more` beside them; None where something is wrong with them, which is added to
        `violations`. Raises UnknownFiles where they are not stored."""
        taken = await self._taken(given, "spec.project", self._keeping.project, user, violations)
        if taken is not None and more:
            taken = await self._joined(taken, more, user, violations)
        if taken is None:
            return None
        bad = archives.check_project(file.path for file in taken.ref.files)
        for line in archives.told(bad):
            violations.add("spec.project", line)
        return None if bad else taken

    async def inputs(self, given: test_pb2.Archive, user: UserId, violations: Violations) -> Taken | None:
        """The input files; None where something is wrong with them, which is added to `violations`. Raises
        UnknownFiles where they are not stored."""
        return await self._taken(given, "spec.inputs", self._keeping.inputs, user, violations)

    async def content(self, taken: Taken, user: UserId) -> bytes:
        """The files' bytes in one piece. Raises UnknownFiles where they are not stored."""
        if taken.data is not None:
            return taken.data
        data = await self._store.read(user, taken.ref.digest)
        if data is None:
            raise UnknownFiles(taken.ref.digest)
        return data

    async def store(self, taken: Taken, user: UserId) -> None:
        """Stores the files for a test that may be accepted. Raises UnknownFiles and StoredTooMuch."""
        if taken.data is not None:
            await self._put(user, taken.ref, taken.data)
        elif await self._store.use(user, taken.ref.digest, self._clock.now() + UNUSED) is None:
            raise UnknownFiles(taken.ref.digest)

    async def keep(self, taken: Taken, user: UserId) -> None:
        """Says that a test uses the stored files from now on."""
        await self._store.use(user, taken.ref.digest, self._end())

    async def keep_on(self, test: Execution) -> None:
        """Says that the files of this test are used again. Raises FilesGone."""
        for what, ref in (("project", test.input.project), ("input files", test.input.inputs)):
            if ref is not None and await self._store.use(test.user_id, ref.digest, self._end()) is None:
                raise FilesGone(what)

    async def _taken(
        self, given: test_pb2.Archive, field: str, limits: Limits, user: UserId, violations: Violations
    ) -> Taken | None:
        try:
            match given.WhichOneof("content"):
                case "zip":
                    joined, left_out = await self._unpacked(given.zip, limits, field)
                    return Taken(_ref(joined), joined.data, left_out)
                case "digest":
                    return Taken(await self._known(given.digest, field, limits, user))
                case _:
                    violations.add(field, "has neither an archive nor a digest")
        except InvalidRequest as error:
            violations.found.extend(error.violations)
        return None

    async def _known(self, name: str, field: str, limits: Limits, user: UserId) -> ArchiveRef:
        ref = await self._store.listed(user, name) if len(name) == 64 else None
        if ref is None:
            raise UnknownFiles(name)
        sizes = [(file.path, file.size) for file in ref.files]
        problems = archives.check_size(len(sizes), sum(size for _, size in sizes), limits, sizes)
        if problems:
            raise InvalidRequest([Violation(field, text) for text in problems])
        return ref

    async def _joined(self, taken: Taken, more: dict[str, bytes], user: UserId, violations: Violations) -> Taken | None:
        """The files with others beside them."""
        data = await self.content(taken, user)
        contents = await asyncio.to_thread(lambda: dict(cut(taken.ref.files, data)))
        for path, content in more.items():
            if contents.setdefault(path, content) != content:
                violations.add("spec.agent_code", f"is another text than {path!r} in spec.project; give one of them")
                return None
        runs = [file.path for file in taken.ref.files if file.executable]
        joined = await asyncio.to_thread(join, contents, runs)
        sizes = [(file.path, file.size) for file in joined.files]
        problems = [
            *archives.told(archives.check_paths(contents)),
            *archives.check_size(len(sizes), len(joined.data), self._keeping.project, sizes),
        ]
        for problem in problems:
            violations.add("spec.project", problem)
        return None if problems else Taken(_ref(joined), joined.data, taken.left_out)

    async def _unpacked(self, data: bytes, limits: Limits, field: str) -> tuple[Joined, int]:
        try:
            async with self._room:
                return await asyncio.to_thread(_unpack, data, limits)
        except BadArchive as error:
            raise InvalidRequest([Violation(field, problem) for problem in error.problems]) from error

    async def _put(self, user: UserId, ref: ArchiveRef, data: bytes) -> None:
        most = self._keeping.most_bytes
        turn = self._turns.setdefault(user, asyncio.Lock())
        async with turn:  # between the sum and what is added to it; another gateway may add at the same time
            now = self._clock.now()
            if await self._store.use(user, ref.digest, now + UNUSED) is not None:
                return
            if most and await self._store.used(user) + stored_size(ref.files) > most:
                raise StoredTooMuch(
                    user,
                    f"{user} may have {most // (1 << 20)} MiB of files stored at the same time; "
                    f"those that no test has used for {self._keeping.days} days are removed.",
                )
            await self._store.put(user, ref.digest, ref.files, data, now=now, expires_at=now + UNUSED)

    def _end(self) -> datetime:
        return self._clock.now() + timedelta(days=self._keeping.days)


def _unpack(data: bytes, limits: Limits) -> tuple[Joined, int]:
    content: Content = archives.read(data, limits)
    return join(content.files, content.executables), content.left_out


def _ref(joined: Joined) -> ArchiveRef:
    files = [StoredFile(**file._asdict()) for file in joined.files]
    return ArchiveRef(digest=digest(joined.files), files=files)
