"""Lines that have not ended, as they are shown: growing on a pipe, in place on a terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.cli import text
from assay.cli.openlines import GrowingLines
from assay.logs import LogLevel, LogLine, LogStream, PartialLine, standing
from assay.v1 import log_pb2
from tests.support.until import until
from tests.unit.client.command import Cli
from tests.unit.client.fake_server import FakeServer, Story, a_test, line, passed

NOW = datetime(2026, 1, 2, tzinfo=UTC)
OUT, ERR = LogStream.STDOUT, LogStream.STDERR


def said(words: str, stream: LogStream = OUT) -> PartialLine:
    return PartialLine(NOW, stream, LogLevel.INFO, words, 0)


def gone(after: int = 0) -> PartialLine:
    return PartialLine(NOW, OUT, LogLevel.UNKNOWN, "", after, gone=True)


def ended(words: str, stream: LogStream = OUT) -> LogLine:
    return LogLine(1, NOW, stream, LogLevel.INFO, words)


def test_words_are_printed_as_they_come_and_once() -> None:
    growing = GrowingLines()
    assert growing.say(said("The")) == ""
    assert growing.say(said("The quick")) == "The quick"
    assert growing.say(said("The quick")) == ""
    assert growing.say(said("The quick brown")) == " brown"
    assert growing.end(ended("The quick brown fox")) == " fox\n"
    assert growing.end(ended("next")) == "next\n"


def test_a_word_that_stays_alone_is_printed_when_it_is_asked_for() -> None:
    growing = GrowingLines()
    growing.say(said("Name? "))
    assert [growing.waits, growing.settle(), growing.waits] == [True, "Name? ", False]
    assert growing.end(ended("Name? Ada")) == "Ada\n"


def test_a_line_that_the_filter_leaves_out_in_the_end_is_broken_off() -> None:
    growing = GrowingLines()
    growing.say(said("Name? "))
    assert [growing.say(gone()), growing.waits, growing.settle()] == ["", False, ""]
    growing.say(said("Name? "))
    growing.settle()
    assert growing.say(gone()) == "\n"
    assert growing.end(ended("Name? Ada")) == "Name? Ada\n"


def test_only_what_is_as_old_is_gone() -> None:
    now = PartialLine(NOW, OUT, LogLevel.INFO, "now", 3)
    other = PartialLine(NOW, ERR, LogLevel.INFO, "other", 0)
    assert standing({OUT: now, ERR: other}, gone(2)) == {OUT: now, ERR: other}
    assert standing({OUT: now, ERR: other}, gone(3)) == {ERR: other}
    assert list(standing({OUT: now, ERR: other}, now)) == [ERR, OUT]
    growing = GrowingLines()
    growing.say(now)
    assert [growing.say(gone(2)), growing.settle()] == ["", "now"]


def test_a_bar_is_printed_when_it_has_ended() -> None:
    growing = GrowingLines()
    parts = [growing.say(said(f"{n} %")) for n in (10, 20, 30)]
    assert (parts, growing.waits, growing.settle()) == (["", "", ""], False, "")
    assert growing.end(ended("100 %")) == "100 %\n"


def test_other_lines_do_not_tear_words_apart_without_a_mark() -> None:
    growing = GrowingLines(lambda _, continued: "> " if continued else "| ")
    growing.say(said("asking"))
    assert growing.say(said("asking ...")) == "| asking ..."
    assert growing.end(ended("note", ERR)) == "\n| note\n"
    assert growing.say(said("asking ... still")) == ">  still"
    assert growing.end(ended("asking ... still here")) == " here\n"
    growing.say(said("x"))
    assert growing.settle() + growing.interrupt() == "| x\n"
    assert growing.end(ended("x")) == ""


@given(
    st.lists(
        st.tuples(
            st.sampled_from([OUT, ERR]), st.text("ab", max_size=4), st.sampled_from(["more", "over", "end", "wait"])
        )
    )
)
def test_whatever_comes_each_line_is_there_in_the_end_and_nothing_is_printed_twice(
    steps: list[tuple[LogStream, str, str]],
) -> None:
    growing = GrowingLines(lambda one, continued: f"<{one.stream.value}{'+' if continued else ''}>")
    open_lines = {OUT: "", ERR: ""}
    printed, expected = "", {OUT: list[str](), ERR: list[str]()}
    for stream, words, what in steps:
        if what == "end":
            expected[stream].append(open_lines[stream] + words)
            printed += growing.end(ended(open_lines[stream] + words, stream))
            open_lines[stream] = ""
        elif what == "wait":
            printed += growing.settle()
        else:
            open_lines[stream] = words if what == "over" else open_lines[stream] + words
            printed += growing.say(said(open_lines[stream], stream))
    shown: dict[LogStream, list[str]] = {OUT: [], ERR: []}
    for row in printed.split("\n"):
        for stream in (OUT, ERR):
            if row.startswith(f"<{stream.value}+>"):
                shown[stream][-1] += row.partition(">")[2]
            elif row.startswith(f"<{stream.value}>"):
                shown[stream].append(row.partition(">")[2])
    for stream in (OUT, ERR):
        left = iter(shown[stream])
        assert all(any(row == wanted for row in left) for wanted in expected[stream])  # states of bars may lie between


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m\x1b[0m"),
        ("\x1b[2J\x1b[1mbold", "\\x1b[2J\x1b[1mbold\x1b[0m"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x1b[31", "\\x1b[31"),
    ],
)
def test_of_what_an_agent_tells_a_terminal_only_colours_pass(written: str, shown: str) -> None:
    assert text.coloured(written) == shown


@pytest.mark.parametrize(
    ("written", "width", "shown"),
    [("short", 10, "short"), ("0123456789", 5, "…6789"), ("日本語", 4, "…語"), ("x", 0, "")],
)
def test_of_a_long_open_line_the_end_is_shown(written: str, width: int, shown: str) -> None:
    assert text.tail_of(written, width) == shown


class Terminal:
    """What a command has written to a terminal, as bytes and as the rows that are seen."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.raw = ""

    def read(self) -> None:
        self.raw += os.read(self._fd, 65536).decode()

    @property
    def rows(self) -> list[str]:
        """Rows, with what was cleared gone: enough of a terminal for `\\r\\x1b[K`."""
        rows = [re.sub(r"^.*\r\x1b\[K", "", row.rstrip("\r")) for row in self.raw.split("\n")]
        return [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", row) for row in rows]


@contextmanager
def terminal() -> Iterator[tuple[Terminal, int]]:
    ours, theirs = pty.openpty()
    os.set_blocking(ours, True)
    shown = Terminal(ours)
    asyncio.get_running_loop().add_reader(ours, shown.read)
    try:
        yield shown, theirs
    finally:
        asyncio.get_running_loop().remove_reader(ours)
        os.close(ours)
        os.close(theirs)


class Piped:
    """What a command has written to a pipe so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.out = ""
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while data := await self.process.stdout.read(65536):
            self.out += data.decode()

    async def end(self) -> str:
        await asyncio.wait_for(self._reading, 30)
        await self.process.wait()
        return self.out


def telling(fake: FakeServer, *states: Any) -> Story:
    story = Story([*states, passed("tst_a")], live=asyncio.Queue(), gate=asyncio.Event() if states else None)
    fake.stories["tst_a"] = story
    return story


async def test_case_38_logs_on_a_pipe_grow_with_the_words(cli: Cli, fake: FakeServer) -> None:
    story = telling(fake)
    piped = Piped(await cli.start("logs", "tst_a", "-f"))
    story.say(line(1, "before"))
    story.say(partial="The ", after=1)
    await until(lambda: piped.out == "before\nThe ")
    story.say(partial="The quick ", after=1)
    await until(lambda: piped.out == "before\nThe quick ")
    story.say(line(2, "The quick fox"))
    story.end(2)
    assert await piped.end() == "before\nThe quick fox\n"


async def test_case_38_a_story_on_a_pipe_grows_with_the_words(cli: Cli, fake: FakeServer) -> None:
    story = telling(fake, a_test("tst_a", "RUNNING"))
    fake.next_story = lambda _: story
    piped = Piped(await cli.start("submit", "echo.py", "-q", "x", "--follow"))
    story.say(partial="The ")
    story.say(partial="The quick ")
    await until(lambda: piped.out.endswith("  22:13:20.000 | The quick "))
    story.say(line(1, "The quick fox"))
    story.end(1)
    assert story.gate is not None
    story.gate.set()
    assert "| The quick fox\n" in await piped.end()


async def test_logs_for_programs_have_pieces_only_where_they_are_asked_for(cli: Cli, fake: FakeServer) -> None:
    found = []
    for option in ((), ("--partial",)):
        story = telling(fake)
        story.say(partial="so")
        story.say(line(1, "so far"))
        story.end(1)
        ran = await cli("logs", "tst_a", "-f", "--json", *option)
        found.append(re.findall(r'"(?:partial|text)": ?(?:"[^"]*")?', ran.out))
    assert [len(found[0]), len(found[1])] == [1, 3]


async def test_logs_on_a_terminal_show_an_open_line_in_place(cli: Cli, fake: FakeServer) -> None:
    story = telling(fake)
    with terminal() as (shown, theirs):
        process = await cli.start("logs", "tst_a", "-f", stdout=theirs)
        story.say(line(1, "\x1b[32mgreen\x1b[0m \x1b[2J"))
        story.say(partial="10 %", after=1)
        await until(lambda: shown.rows[-1] == "10 %")
        story.say(partial="20 %", after=1)
        await until(lambda: shown.rows[-1] == "20 %")
        story.say(line(2, "a note", stream=log_pb2.LOG_STREAM_STDERR))
        await until(lambda: shown.rows[1:] == ["a note", "20 %"])
        story.say(line(3, "100 %"))
        story.end(3)
        await asyncio.wait_for(process.wait(), 30)
        await until(lambda: shown.rows[1:] == ["a note", "100 %", ""])
    assert "\x1b[32mgreen\x1b[0m \\x1b[2J" in shown.raw


async def test_a_terminal_without_colours_gets_none(cli: Cli, fake: FakeServer) -> None:
    story = telling(fake)
    cli.environment["NO_COLOR"] = "1"
    story.say(line(1, "\x1b[32mgreen\x1b[0m"))
    story.end(1)
    with terminal() as (shown, theirs):
        process = await cli.start("logs", "tst_a", "-f", stdout=theirs)
        await asyncio.wait_for(process.wait(), 30)
        await until(lambda: shown.raw == "green\r\n")


async def test_a_terminal_takes_a_line_away_that_a_filter_leaves_out_in_the_end(cli: Cli, fake: FakeServer) -> None:
    story = telling(fake)
    with terminal() as (shown, theirs):
        process = await cli.start("logs", "tst_a", "-f", "--grep", "50", stdout=theirs)
        story.say(partial="50 %")
        await until(lambda: shown.rows[-1:] == ["50 %"])
        story.say(gone=0)
        await until(lambda: shown.rows[-1:] == [""])
        story.end(1)
        await asyncio.wait_for(process.wait(), 30)


async def test_a_story_on_a_terminal_shows_open_lines_above_its_status(cli: Cli, fake: FakeServer) -> None:
    story = telling(fake, a_test("tst_a", "RUNNING"))
    with terminal() as (shown, theirs):
        process = await cli.start("logs", "tst_a", "-f", "-t", stdout=theirs)
        story.say(partial="\x1b[31mthinking")
        await until(lambda: any("| thinking" in row for row in shown.rows))
        story.say(line(1, "thinking \x1b[31mdone\x1b[0m"))
        story.end(1)
        await asyncio.wait_for(process.wait(), 30)
        await until(lambda: "| thinking done" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.raw))
    assert "\x1b[31mdone" in shown.raw
