"""`assay logs` that looks for something: a text, a range of lines, the first error."""

import pytest

from assay.v1 import log_pb2
from tests.unit.client.command import Cli
from tests.unit.client.fake_server import FakeServer, Story, a_test, line, passed

ALL = log_pb2.LogsComplete(expected=30, received=30, complete=True)


@pytest.fixture(autouse=True)
def _story(fake: FakeServer) -> None:
    lines = [line(seq) for seq in range(1, 31)]
    lines[14] = line(15, "it Broke", level=log_pb2.LOG_LEVEL_ERROR)
    fake.stories["tst_a"] = Story([passed("tst_a")], lines, ALL)


def said(first: int, last: int) -> str:
    return "".join("it Broke\n" if seq == 15 else f"line {seq}\n" for seq in range(first, last + 1))


async def test_lines_with_a_text_are_printed(cli: Cli) -> None:
    assert await cli("logs", "tst_a", "--grep", "BROKE") == (0, "it Broke\n", "")
    assert await cli("logs", "tst_a", "-f", "-g", "Broke", "--match-case") == (0, "it Broke\n", "")
    assert await cli("logs", "tst_a", "-g", "broke", "--match-case") == (0, "", "")


@pytest.mark.parametrize(
    ("lines", "first", "last"), [("12-16", 12, 16), ("28-", 28, 30), ("7", 7, 7), ("29-99", 29, 30)]
)
async def test_a_range_of_lines_is_printed(cli: Cli, lines: str, first: int, last: int) -> None:
    assert await cli("logs", "tst_a", "--lines", lines) == (0, said(first, last), "")


async def test_it_begins_shortly_before_the_first_error(cli: Cli, fake: FakeServer) -> None:
    assert await cli("logs", "tst_a", "--first-error") == (0, said(5, 30), "")
    fake.stories["tst_a"].lines[2].level = log_pb2.LOG_LEVEL_CRITICAL
    assert await cli("logs", "tst_a", "--first-error", "-f") == (0, said(1, 30), "")


async def test_where_there_is_no_error_it_says_so(cli: Cli, fake: FakeServer) -> None:
    ran = await cli("logs", "tst_a", "--first-error", "--grep", "line")
    assert ran == (0, "", "note: there is no error in these lines\n")
    fake.stories["tst_a"] = Story([a_test("tst_a", "RUNNING")], [line(1)])
    ran = await cli("logs", "tst_a", "--first-error")
    assert ran == (0, "", "note: there is no error in these lines so far\n")


async def test_pieces_of_different_lines_are_not_joined_where_a_filter_left_some_out(
    cli: Cli, fake: FakeServer
) -> None:
    piece = "needle" + "x" * 16_378
    lines = [line(1, piece), line(2, piece, continued=True), line(3, "y" * 16_384), line(4, "needle", continued=True)]
    fake.stories["tst_a"] = Story([passed("tst_a")], lines, ALL)
    assert (await cli("logs", "tst_a", "--grep", "needle")).out == f"{piece}{piece}\nneedle\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--match-case",), "needs --grep"),
        (("--grep", "x", "--tail", "3"), "exclude each other"),
        (("--lines", "1-3", "--from", "2"), "give one of them"),
        (("--first-error", "--tail", "2"), "give one of them"),
        (("--lines", "9-3"), "ends before it begins"),
        (("--lines", "0-3"), "write 120-180"),
        (("--lines", "x"), "write 120-180"),
    ],
)
async def test_what_makes_no_sense_is_a_usage_error(cli: Cli, arguments: tuple[str, ...], complaint: str) -> None:
    ran = await cli("logs", "tst_a", *arguments)
    assert ran.code == 2
    assert complaint in " ".join(ran.err.replace("│", " ").split())
