"""Log streamers that are stopped and killed again and again while tests write: every line once, every account true."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from shared.domain.logsequence import first_seq
from tests.support.launched import NONCE, Accounts, Launched, launch, soon
from tests.support.system import System, system
from tests.support.until import until

pytestmark = pytest.mark.slow

TESTS, LINES, ENDS = 16, 100, 14
SETTINGS: dict[str, Any] = {
    "logstreamer_lease_s": 2.0,
    "logstreamer_drain_s": 1.0,
    "sweep_interval_s": 0.3,
    "log_level": "error",
}


@pytest.fixture
async def world(fresh_nats_url: str, mongo_url: str, mongo_database: str) -> AsyncIterator[System]:
    async with system(fresh_nats_url, mongo_url, mongo_database) as found:
        yield found


class Writer:
    """A task that writes a file as the harness would."""

    def __init__(self, world: System, folder: Path, number: int, dice: random.Random, ends: Counter[str]) -> None:
        self.world, self.folder, self.number, self.dice, self.ends = world, folder, number, dice, ends
        self.until = self.dice.randrange(ENDS)  # so many log streamers have ended by the end of this task
        self.fate = ("ends", "ends", "ends", "dies", "is tried again")[number % 5]
        self.task: Launched

    def path(self, attempt: int) -> Path:
        return self.folder / f"{self.number}-{attempt}"

    async def work(self) -> None:
        await soon(self.dice.uniform(0, 4))
        self.path(1).touch()
        self.task = await launch(self.world, {"kind": "file", "path": str(self.path(1))})
        if self.fate == "is tried again":
            await self._write(self.until // 2)
            self.path(2).touch()
            await self.task.again({"kind": "file", "path": str(self.path(2))})
        await self._write(self.until)
        if self.fate != "dies":
            last = self.task.next_seq - 1
            self._append([{"mark": "end", "ts": 1.0, "nonce": NONCE, "lines": last}])
        await self.task.end()

    async def _write(self, ends: int) -> None:
        """At least so many lines, and until so many log streamers have ended."""
        self._append([{"mark": "running", "ts": 1.0, "nonce": NONCE}])
        while self.task.written < LINES or self.ends.total() < ends:
            lines = []
            for _ in range(self.dice.choice([1, 1, 2, 20, 60])):
                text = f"{self.number} says {self.task.written} {'x' * self.dice.randrange(80)}"
                lines.append({"seq": self.task.next_seq, "ts": 1.0, "stream": "stdout", "level": "info", "text": text})
                self.task.written += 1
                self.task.texts.append(text)
            self._append(lines)
            await soon(self.dice.uniform(0, 0.6))

    def _append(self, lines: list[dict[str, Any]]) -> None:
        with self.path(self.task.attempt).open("a") as file:
            file.write("".join(json.dumps(line) + "\n" for line in lines))


async def disturbed(world: System, instance: str, dice: random.Random, ends: Counter[str], done: asyncio.Event) -> None:
    """A log streamer that lives a moment, ends by SIGTERM or SIGKILL, and is back."""
    while not done.is_set():
        with ExitStack() as stack:
            process = stack.enter_context(world.process("logstreamer", instance, **SETTINGS))
            await process.ready()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(dice.choice([dice.uniform(0, 0.3), dice.uniform(0, 4)])):
                    await done.wait()
            order = dice.choice(["killed", "stopped"])
            if order == "killed":
                process.kill()
            else:
                code, _ = await process.terminate()
                assert code == 0
            ends[order] += 1
        await soon(dice.choice([0.0, 0.0, 0.5, 3.0]))


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_is_lost_or_doubled_and_no_account_is_wrong(world: System, tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    ends: Counter[str] = Counter()
    writers = [Writer(world, tmp_path, number, random.Random(dice.random()), ends) for number in range(TESTS)]
    done = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for instance in ("one", "two"):
            tasks.create_task(disturbed(world, instance, random.Random(dice.random()), ends, done))
        await asyncio.gather(*(writer.work() for writer in writers))
        await asyncio.gather(*(writer.task.sealed() for writer in writers))
        done.set()
    assert ends.total() >= ENDS - 2
    assert min(ends["killed"], ends["stopped"]) >= 2

    async def sent() -> bool:
        return await world.database["executions"].count_documents({"outbox.at": {"$exists": True}}) == 0

    await until(sent, timeout=60)
    told = await Accounts(world).told()
    for writer in writers:
        test = await writer.task.sealed()
        lines = await writer.task.lines()
        assert [line.seq - first_seq(writer.task.attempt) for line in lines] == list(range(writer.task.written)), (
            writer.fate
        )
        assert [line.text for line in lines] == writer.task.texts
        (account,) = [event for event in told[test.id] if event.attempt == writer.task.attempt]
        ended = writer.fate != "dies"
        assert (account.expected, account.received, account.complete, account.missing) == (
            writer.task.written if ended else None,
            writer.task.written,
            ended,
            (),
        ), writer.fate
        assert (test.logs.lines, test.logs.expected, test.logs.complete) == (
            writer.task.written,
            account.expected,
            ended,
        )
        assert test.logs.bytes == sum(len(text) for text in writer.task.texts)
