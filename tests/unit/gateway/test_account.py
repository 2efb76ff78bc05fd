from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from services.gateway.streams.account import complete, is_over, missing
from shared.domain.lifecycle import State
from shared.ids import TestId, UserId
from shared.store.documents import Chunk, Execution, Logs, StoredLine, Task, Times
from shared.store.logs import RawLine


class FakeLines:
    def __init__(self, seqs: Sequence[int]) -> None:
        self.seqs = seqs
        self.looks = 0

    async def last(self, test: TestId, *, within: range) -> Chunk | None:
        self.looks += 1
        newest = max((seq for seq in self.seqs if seq in within), default=None)
        return None if newest is None else Chunk(test_id=test, first=newest, last=newest, bytes=0, lines=[])

    async def holes(self, test: TestId, *, within: range, most: int) -> list[tuple[int, int]]:
        self.looks += 1
        absent = [seq for seq in within if seq not in self.seqs]
        firsts = [seq for seq in absent if seq - 1 not in absent]
        return list(zip(firsts, (seq for seq in absent if seq + 1 not in absent), strict=True))[:most]

    async def read(self, test: TestId, *, from_seq: int, limit: int) -> list[StoredLine]:
        raise AssertionError("the numbers are in the index")

    def scan(self, test: TestId, *, from_seq: int) -> AsyncGenerator[list[RawLine]]:
        raise AssertionError("the numbers are in the index")


def execution(state: State, *, launched: bool, attempt: int = 1, **logs: Any) -> Execution:
    task = Task(runtime="scripted", launch_token="t", nonce="n", log_source={"kind": "x"} if launched else None)
    return Execution(
        id=TestId("tst_" + "0" * 32),
        user_id=UserId("alice"),
        agent_id="a",
        request_key="r",
        state=state,
        attempt=attempt,
        task=task,
        times=Times(submitted=datetime(2026, 1, 1, tzinfo=UTC)),
        logs=Logs(**logs),
    )


@pytest.mark.parametrize(
    ("state", "launched", "ended", "over"),
    [
        pytest.param(State.RUNNING, True, False, False, id="runs"),
        pytest.param(State.RUNNING, True, True, False, id="first attempt's output ended"),
        pytest.param(State.COMPLETED, True, False, False, id="ended and not drained yet"),
        pytest.param(State.COMPLETED, True, True, True, id="ended and drained"),
        pytest.param(State.FAILED, False, False, True, id="never launched"),
        pytest.param(State.ARCHIVED, True, True, True, id="archived"),
    ],
)
def test_when_no_more_lines_can_come(state: State, launched: bool, ended: bool, over: bool) -> None:
    assert is_over(execution(state, launched=launched, ended=ended)) is over


B = 1_000_000


@pytest.mark.parametrize(
    ("seqs", "expected", "attempt", "ranges"),
    [
        pytest.param([1, 2, 5, 6], 6, 1, [(3, 4)], id="hole"),
        pytest.param([3], 3, 1, [(1, 2)], id="the beginning"),
        pytest.param([1, 2], 5, 1, [(3, 5)], id="the end"),
        pytest.param([1, 4], 6, 1, [(2, 3), (5, 6)], id="hole and end"),
        pytest.param([], 3, 1, [(1, 3)], id="everything"),
        pytest.param([1, 2, B + 1, B + 3], 3, 2, [(B + 2, B + 2)], id="hole in the second attempt"),
        pytest.param([1, 3, B + 2], 2, 2, [(B + 1, B + 1)], id="beginning of the second attempt"),
    ],
)
async def test_what_is_missing(seqs: list[int], expected: int, attempt: int, ranges: list[tuple[int, int]]) -> None:
    test = execution(
        State.COMPLETED,
        launched=True,
        attempt=attempt,
        ended=True,
        complete=False,
        lines=sum(seq > (attempt - 1) * B for seq in seqs),
        expected=expected,
    )
    assert await missing(FakeLines(seqs), test) == ranges


async def test_a_complete_output_is_not_looked_at_again() -> None:
    reader = FakeLines([1])
    test = execution(State.COMPLETED, launched=True, ended=True, complete=True, lines=1, expected=1)
    assert await missing(reader, test) == []
    assert reader.looks == 0


def test_a_test_that_never_ran_has_all_of_its_no_lines() -> None:
    assert complete(execution(State.FAILED, launched=False), []).complete
