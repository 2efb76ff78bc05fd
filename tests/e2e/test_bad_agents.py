"""Agents that fail, cheat or misbehave: each ends with the right code and a hint, its log whole and its slot free.

All are submitted at once by the first test that asks, and looked at one by one.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import pytest

from assay import Assay, LogLine, Test
from tests.support.bad_agents import AGENTS, COMPLETED
from tests.support.local_mode import LocalMode
from tests.support.outcomes import lived_once
from tests.support.servers import in_own_loop
from tests.support.until import until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sdk(server: LocalMode) -> Iterator[Assay]:
    with Assay(server.known["address"], server.known["api_key"]) as client:
        yield client


@pytest.fixture(scope="module")
def ends(sdk: Assay) -> dict[str, Test]:
    """How each of them ended."""
    ids = {
        name: sdk.submit(textwrap.dedent(agent.code), "ünïcödé 🙂 \u202e", name=name, **agent.options).id
        for name, agent in AGENTS.items()
    }
    for test_id in ids.values():
        sdk.wait(test_id, timeout=90)
    return {name: in_own_loop(_drained(sdk, test_id)) for name, test_id in ids.items()}


async def _drained(sdk: Assay, test_id: str) -> Test:
    """The test when its output has been read to the end."""
    await until(lambda: sdk.get(test_id).logs.ended, timeout=30)
    return sdk.get(test_id)


def lines_of(sdk: Assay, test: Test) -> list[LogLine]:
    return list(sdk.logs(test.id, from_seq=max(1, test.logs.lines - 3_000)))


@pytest.mark.parametrize("name", AGENTS)
def test_it_ends_as_it_should(ends: dict[str, Test], name: str) -> None:
    agent, test = AGENTS[name], ends[name]
    lived_once(test)
    assert (test.state, test.attempt) == (agent.state, 1), test.failure
    if agent.state is COMPLETED:
        assert test.failure is None
        assert test.response == agent.response
        return
    assert test.failure is not None
    assert (test.failure.code, test.failure.retryable) == (agent.failure, False)
    assert agent.says in test.failure.message
    assert test.failure.hint
    assert test.response is None


@pytest.mark.parametrize("name", AGENTS)
def test_its_log_is_whole(sdk: Assay, ends: dict[str, Test], name: str) -> None:
    agent, test = AGENTS[name], ends[name]
    assert (test.logs.ended, test.logs.complete) == (True, True)
    lines = lines_of(sdk, test)
    assert [line.seq for line in lines] == list(range(max(1, test.logs.lines - 3_000), test.logs.lines + 1))
    if agent.lines is not None:
        assert [line.text for line in lines] == list(agent.lines)


def test_a_thread_that_holds_the_process_is_named(sdk: Assay, ends: dict[str, Test]) -> None:
    first, *rest = lines_of(sdk, ends["threads that never end"])
    assert "its process did not end" in first.text
    assert any("in wait" in line.text for line in rest)


def test_tracebacks_end_in_the_agents_code(ends: dict[str, Test]) -> None:
    failure = ends["an exception"].failure
    assert failure is not None
    assert failure.agent_error is not None
    assert 'File "/work/agent.py", line 2, in run' in failure.agent_error.traceback
    assert "test_runner" not in failure.agent_error.traceback


def test_a_time_limit_says_where_the_agent_was(sdk: Assay, ends: dict[str, Test]) -> None:
    texts = [line.text for line in lines_of(sdk, ends["a hang"])]
    assert texts[:2] == ["in", "The time limit of 1 s is over: stopping the agent."]
    assert any('File "/work/agent.py", line 4 in run' in text for text in texts)


def test_endless_output_is_cut_at_the_limit_and_says_so(sdk: Assay, ends: dict[str, Test]) -> None:
    test = ends["output without end"]
    assert test.logs.truncated
    assert 100_000 <= test.logs.lines <= 100_010
    tail = [line.text for line in sdk.logs(test.id, tail=5)]
    assert tail[-1].startswith("Too many lines of output"), tail


def test_a_long_line_comes_in_marked_pieces(sdk: Assay, ends: dict[str, Test]) -> None:
    lines = lines_of(sdk, ends["a line of 100 KiB"])
    assert "".join(line.text for line in lines) == "x" * 102400
    assert [line.continued for line in lines] == [False] + [True] * (len(lines) - 1)
    assert len(lines) > 1


def test_bytes_that_are_not_text_are_shown_as_such(sdk: Assay, ends: dict[str, Test]) -> None:
    first, *_ = lines = lines_of(sdk, ends["output that is not text"])
    assert first.text.startswith("\x00\x01\x02")
    assert lines[-1].text.endswith("\ufffd")


async def test_their_slots_are_free_afterwards(sdk: Assay, ends: dict[str, Test]) -> None:
    def idle() -> bool:
        status = sdk.queue_status()
        return (status.running, status.pending) == (0, 0)

    await until(idle, timeout=20)
