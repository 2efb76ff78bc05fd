import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any, cast

from assay.v1 import test_service_pb2
from services.gateway.caller import Caller
from services.gateway.streams.logs import AT_ONCE, LogStreams
from shared.domain.lifecycle import State
from shared.ids import TestId, UserId
from shared.store.documents import Execution, Logs, Task, Times
from shared.store.logs import RawLine

LINES = 3
TEST = Execution(
    id=TestId("tst_" + "0" * 32),
    user_id=UserId("alice"),
    agent_id="a",
    request_key="r",
    state=State.COMPLETED,
    attempt=1,
    task=Task(runtime="scripted", launch_token="t", nonce="n", log_source={"kind": "x"}),
    times=Times(submitted=datetime(2026, 1, 1, tzinfo=UTC)),
    logs=Logs(lines=LINES, expected=LINES, ended=True, complete=True),
)


class FakeTests:
    async def get(self, test_id: TestId) -> Execution:
        return TEST


class CountingLines:
    """A log of three lines that notes how many read it at a time."""

    def __init__(self) -> None:
        self.reading = self.most = 0

    async def scan(self, test: TestId, *, from_seq: int) -> AsyncGenerator[list[RawLine]]:
        self.reading += 1
        self.most = max(self.most, self.reading)
        try:
            for seq in range(from_seq, LINES + 1):
                await asyncio.sleep(0)
                line: Any = {"seq": seq, "ts": 1.5, "stream": "stdout", "level": "info"}
                yield [line | {"text": f"line {seq}", "continued": False}]
        finally:
            self.reading -= 1


async def test_many_streams_read_the_store_a_few_at_a_time_and_all_get_all_lines() -> None:
    lines = CountingLines()
    streams = LogStreams(cast("Any", FakeTests()), cast("Any", lines), cast("Any", None))

    async def read() -> list[int]:
        request = test_service_pb2.StreamLogsRequest(test_id=TEST.id)
        found = [
            test_service_pb2.StreamLogsResponse.FromString(packed)
            async for packed in streams.stream(request, Caller(UserId("alice")))
        ]
        assert found[-1].complete.complete
        return [line.seq for message in found for line in message.lines]

    everybody = await asyncio.gather(*(read() for _ in range(20)))
    assert everybody == [[1, 2, 3]] * 20
    assert lines.most == AT_ONCE
