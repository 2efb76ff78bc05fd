"""Lines that have not ended are told to whoever looks on, and counted as nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from services.orchestrator.harness.src.output import Output
from services.orchestrator.harness.src.streams import Channel, Collector, Lines, last_state, whole_characters
from tests.support.until import until
from tests.unit.harness.started import Outcome, Started, context, run, started

TOKEN = b"\xff" + b"0123456789a"
FOREVER = 1e9


def last_says(harness: Started, text: str) -> bool:
    told = partials(harness.output())
    return bool(told) and told[-1]["text"] == text


def partials(output: list[dict[str, Any]] | Outcome) -> list[Mapping[str, Any]]:
    lines = output.output if isinstance(output, Outcome) else output
    return [line for line in lines if line.get("partial")]


@contextmanager
def waiting(code: str, **changes: Any) -> Iterator[Started]:
    """An agent that goes on when there is a file `go` in its folder."""
    given = context(code, **changes)
    given["files"]["agent.py"] = (
        "import os, sys, time\ndef wait():\n    while not os.path.exists('go'): time.sleep(0.01)\n"
        + given["files"]["agent.py"]
    )
    with started(given) as harness:
        yield harness


async def test_what_a_line_says_so_far_is_told_and_then_the_line_is_one_line() -> None:
    code = """
        def run(q):
            print("before")
            print("Name? ", end="", flush=True)
            wait()
            print("Ada")
    """
    with waiting(code) as harness:
        told = await until(lambda: partials(harness.output()))
        assert [(line["stream"], line["level"], line["text"], line["after"]) for line in told] == [
            ("stdout", "info", "Name? ", 1)
        ]
        (harness.folder / "work/go").touch()
        outcome = harness.ended()
    assert [line["text"] for line in outcome.lines] == ["before", "Name? Ada"]
    assert len(partials(outcome)) == 1
    assert outcome.result["lines"] == 2


async def test_case_38_words_are_seen_while_they_come() -> None:
    code = """
        def run(query):
            for token in ("The", "quick", "brown"):
                print(token, end=" ", flush=True)
                wait()
                os.remove("go")
            return "done"
    """
    with waiting(code) as harness:
        for said in ("The ", "The quick ", "The quick brown "):
            await until(partial(last_says, harness, said))
            (harness.folder / "work/go").touch()
        outcome = harness.ended()
    assert [line["text"] for line in outcome.lines] == ["The quick brown "]


async def test_both_streams_have_an_open_line_of_their_own() -> None:
    code = """
        def run(q):
            sys.stdout.write("ERROR: so far"); sys.stdout.flush()
            sys.stderr.write("50 %\\r"); sys.stderr.flush()
            wait()
    """
    with waiting(code) as harness:
        await until(lambda: len(partials(harness.output())) == 2)
        told = partials(harness.output())
        assert {(line["stream"], line["level"], line["text"]) for line in told} == {
            ("stdout", "error", "ERROR: so far"),
            ("stderr", "info", "50 %"),
        }
        (harness.folder / "work/go").touch()
        outcome = harness.ended()
    assert sorted(line["text"] for line in outcome.lines) == ["50 %", "ERROR: so far"]


def test_lines_that_end_in_time_are_not_told_before() -> None:
    outcome = run("def run(q):\n    for n in range(2000): print('a', end='', flush=True); print('b', flush=True)")
    assert len(outcome.lines) == 2000
    assert partials(outcome) == []


def test_an_agent_that_is_killed_leaves_its_open_line_as_a_line() -> None:
    outcome = run("import os\ndef run(q):\n    print('so far', end='', flush=True)\n    os.kill(os.getpid(), 9)")
    assert [line["text"] for line in outcome.lines] == ["so far"]


def test_too_much_output_ends_what_is_told_of_open_lines() -> None:
    code = """
        import time
        def run(q):
            for n in range(20): print(n)
            print("x", end="", flush=True)
            time.sleep(0.5)
    """
    outcome = run(code, limits={"lines": 10, "bytes": 1000, "line_bytes": 100, "response_bytes": 1000})
    assert partials(outcome) == []


class Told:
    """Lines whose clock a test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.output = Output(-1)
        self.lines = Lines("stdout", self.output, clock=lambda: self.now)

    def feed(self, data: bytes) -> None:
        self.lines.feed(data)

    def at(self, now: float) -> tuple[int, float | None]:
        """How many were told by then, and when the next is due."""
        self.now = now
        due = self.lines.partial(now)
        told = sum('"partial":true' in line for line in self.output.waiting)
        return told, due


@pytest.fixture
def told() -> Told:
    return Told()


def test_changes_are_told_five_times_a_second_at_most(told: Told) -> None:
    told.feed(b"a")
    assert told.at(100.0) == (0, 100.2)
    for hundredth in range(200):
        told.feed(b"b")
        told.at(100.0 + hundredth / 100)
    count, _ = told.at(102.0)
    assert 8 <= count <= 10
    assert told.at(FOREVER) == (count + 1, None)
    assert told.at(FOREVER + 1) == (count + 1, None)  # nothing new


def test_a_long_line_is_told_once_a_second(told: Told) -> None:
    told.feed(b"a" * 5000)
    for hundredth in range(300):
        told.feed(b"b")
        told.at(100.0 + hundredth / 100)
    assert told.at(103.0)[0] == 3


def test_there_is_an_end_to_what_is_told_in_one_run(told: Told) -> None:
    told.output.partial_room = 100
    for second in range(20):
        told.feed(b"0123456789")
        told.at(100.0 + second)
    assert told.at(FOREVER)[0] == 3


def test_half_a_character_is_not_told(told: Told) -> None:
    told.feed("é€".encode()[:-1])
    told.at(FOREVER)
    assert '"text":"é"' in told.output.waiting[0]


@pytest.mark.parametrize(
    ("line", "state"),
    [
        (b"", b""),
        (b"\r", b""),
        (b"a\r", b"a"),
        (b"a\rb", b"b"),
        (b"a\rb\r\r", b"b"),
        (b"a\r\x1b[2Kb\x1b[K", b"b"),
        (b"\x1b[31mred\x1b[0m", b"\x1b[31mred\x1b[0m"),
    ],
)
def test_the_last_state_of_a_line_counts(line: bytes, state: bytes) -> None:
    assert last_state(line) == state


@pytest.mark.parametrize("text", ["a", "é", "€", "\U0001f600", "aé€\U0001f600"])
def test_a_character_is_told_when_all_of_it_is_there(text: str) -> None:
    raw = text.encode()
    for end in range(len(raw) + 1):
        whole = whole_characters(raw[:end]).decode()
        assert text.startswith(whole)
        assert len(whole.encode()) >= end - 3
    assert whole_characters(raw) == raw
    assert whole_characters(b"\x80" * 5) == b"\x80" * 5


@pytest.mark.parametrize("end", range(1, 12))
def test_how_the_reads_cut_what_is_written_over_does_not_matter(end: int, told: Told) -> None:
    data = b"10\r20\r\n\r30\r40"
    told.feed(data[:end])
    told.feed(data[end:])
    told.lines.end()
    texts = [line.partition('"text":')[2] for line in told.output.waiting]
    assert texts == ['"20"}\n', '"40"}\n']


def test_a_collector_gets_standard_output_as_it_was_written_and_nothing_else() -> None:
    collector = Collector(20)
    channel = Channel(-1, TOKEN, Output(-1), collector)
    channel.feed(b"one\r\ntwo" + TOKEN + b"\x06\x00\x03err" + TOKEN + b"\x04\x00\x02!\n")
    assert collector.text() == "one\r\ntwo!\n"
    assert collector.size == 10
    channel.feed(b"x" * 20)
    assert (collector.too_large, collector.size, collector.text()) == (True, 30, "one\r\ntwo!\nxxxxxxxxxx")
