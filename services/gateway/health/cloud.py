"""What the gateway sees of AWS: whether it answers, and how large the log group is.

AWS may take longer than a look at the health may: it is asked beside the calls, and what it said last is remembered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import structlog

from services.gateway.ports import Cloud
from shared.aws.kinds import AwsError, Kind
from shared.background import background
from shared.telemetry.health import Looked
from shared.telemetry.notes import told

log = structlog.get_logger()

GOOD_S: Final = 60.0
"""So long a good answer stands. A bad one is asked again in the next look."""
PATIENCE_S: Final = 5.0
"""The way to AWS takes a second to open, and AWS is slow now and then: neither is worth an alarm."""
SIZE_S: Final = 300.0
"""CloudWatch itself counts what it stores now and then only."""


class LogGroup(NamedTuple):
    """The log group of the tasks; `size` in bytes, None where AWS would not say."""

    name: str
    size: int | None


class CloudSight:
    """The last look at AWS."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._tasks: asyncio.TaskGroup | None = None
        self._asking: asyncio.Task[None] | None = None
        self._looked: Looked | None = None
        self._asked_at = self._looked_at = self._sized_at = float("-inf")
        self.group = LogGroup("", None)
        """As it was told last."""

    @property
    def used(self) -> bool:
        """Whether there is an AWS to look at."""
        return self._cloud.used

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Looks that take long belong to this block."""
        async with background() as tasks:
            self._tasks = tasks
            try:
                yield
            finally:
                self._tasks = None
                if self._asking is not None:
                    self._asking.cancel()

    async def look(self, limit_s: float) -> Looked | None:
        """Whether AWS answers; waits at most `limit_s` seconds for it. What it said before stands while it is asked
        again, for PATIENCE_S; None where it has said nothing yet."""
        now = time.monotonic()
        if self._looked is not None and not self._looked.problem and now - self._looked_at < GOOD_S:
            return self._looked
        if self._tasks is not None and (self._asking is None or self._asking.done()):
            self._asked_at, self._asking = now, self._tasks.create_task(self._ask())
        if self._asking is not None:
            await asyncio.wait([self._asking], timeout=limit_s)
            silent_s = time.monotonic() - self._asked_at
            if not self._asking.done() and silent_s >= PATIENCE_S:
                return Looked("aws", f"no answer for {silent_s:.0f} s", silent_s)
        return self._looked

    async def _ask(self) -> None:
        began = time.monotonic()
        problem = ""
        try:
            await self._cloud.check()
        except AwsError as error:
            # A gateway needs no right to look at the bucket; who is told so has reached AWS.
            problem = "" if error.kind is Kind.DENIED else told(str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is wrong with AWS
            problem = told(f"{type(error).__name__}: {error}")
        self._looked_at = time.monotonic()
        self._looked = Looked("aws", problem, self._looked_at - began)
        if not problem and self._looked_at - self._sized_at >= SIZE_S:
            await self._measure()

    async def _measure(self) -> None:
        try:
            size = await self._cloud.log_group_bytes()
        except Exception as error:  # noqa: BLE001 - a figure, no more
            log.info("log_group_not_measured", error=told(repr(error)))
            self.group = LogGroup(self._cloud.log_group, None)
        else:
            self.group = LogGroup(self._cloud.log_group if size is not None else "", size)
        self._sized_at = time.monotonic()
