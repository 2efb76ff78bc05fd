"""Keeps what agents leave in their output folders: stored before the move that ends the test, listed by that move.

What a task hands over passed through an untrusted place. Sizes and hashes are computed anew, names are checked again,
and what does not fit is left out with a line: a test never fails for its files.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import structlog

from services.orchestrator.charges import Charge
from services.orchestrator.harness_result import HarnessFile, HarnessResult
from services.orchestrator.ports import LeftFiles, Runtime
from shared.clock import Clock
from shared.domain.files import is_plain
from shared.store.documents import StoredFile

log = structlog.get_logger()

MOST_LINES: Final = 100
AT_ONCE: Final = 4
"""Tests whose files are in memory at a time: a hundred may end together, with 25 MiB each, and each is there twice
while it is looked through."""
LOST: Final = "The output files were lost on their way from the task."


class OutputLimits(NamedTuple):
    """How much of what an agent leaves is kept, and for how long."""

    files: int = 100
    size: int = 25 << 20
    """Bytes of all files together."""
    days: int = 30


class Kept(NamedTuple):
    """What was kept. `data` are the files' bytes, one behind the other."""

    files: tuple[StoredFile, ...] = ()
    data: bytes = b""
    left_out: tuple[str, ...] = ()
    expires_at: datetime | None = None


class Outputs:
    """From a task that ended to stored files."""

    def __init__(self, store: LeftFiles, runtime: Runtime, clock: Clock, limits: OutputLimits) -> None:
        self._store = store
        self._runtime = runtime
        self._clock = clock
        self._limits = limits
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def keep(self, charge: Charge, result: HarnessResult | None) -> Kept:
        """Stores what this attempt left, and says what that was, without the bytes. Harmless when repeated. Raises what
        the runtime and the store raise."""
        if result is None:
            return Kept()
        if not result.outputs:
            return Kept(left_out=tuple(result.outputs_left_out))
        async with self._turns:
            data = await self._runtime.collect_outputs(charge.handle)
            kept = await asyncio.to_thread(judged, result.outputs, data, self._limits)  # hashes it all
            del data
            left_out = (*result.outputs_left_out, *kept.left_out)[:MOST_LINES]
            if not kept.files:
                return Kept(left_out=left_out)
            expires_at = self._clock.now() + timedelta(days=self._limits.days)
            await self._store.put(charge.test_id, charge.attempt, kept.data, expires_at)
        log.info("outputs_stored", test_id=charge.test_id, attempt=charge.attempt, files=len(kept.files))
        return kept._replace(data=b"", left_out=left_out, expires_at=expires_at)  # nobody needs the bytes any more


def judged(listed: Sequence[HarnessFile], data: bytes | None, limits: OutputLimits) -> Kept:
    """Those of the listed files whose content is what the list says, within the limits."""
    if data is None:
        return Kept(left_out=(LOST,))
    files: list[StoredFile] = []
    pieces: list[bytes] = []
    left_out: list[str] = []
    seen: set[str] = set()
    start = size = 0
    for file in listed:
        content = data[start : start + file.size]
        start += file.size
        problem = _problem(file, content)
        if not problem and file.path in seen:
            problem = "is there twice"
        if not problem and len(files) >= limits.files:
            problem = f"is one too many: {limits.files} files are kept"
        if not problem and size + file.size > limits.size:
            problem = f"has {file.size} bytes: {limits.size} bytes are kept in all"
        if problem:
            left_out.append(f"{file.path!r} {problem}"[:500])
            continue
        seen.add(file.path)
        size += file.size
        pieces.append(content)
        files.append(StoredFile(**file.model_dump()))
    return Kept(tuple(files), b"".join(pieces), tuple(left_out))


def _problem(file: HarnessFile, content: bytes) -> str:
    if not is_plain(file.path):
        return "has a name under which it cannot be kept"
    if len(content) != file.size:
        return "was not handed over whole"
    if hashlib.sha256(content).hexdigest() != file.sha256:
        return "is not what was handed over: its SHA-256 differs"
    return ""
