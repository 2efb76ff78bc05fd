"""Lines that the container runtime cut, made whole again; what never was one is handed on as it is."""

from __future__ import annotations

import pytest

from services.logstreamer.sources.cloudwatch.pieces import MOST_OPEN, Joiner
from shared.aws.logs import LogEvent
from tests.unit.logstreamer.protocol import written

CUT, PATIENCE_S = 16_384, 10.0
LONG = written(1, "x" * 40_000).decode()
BRACES = written(1, '{"a": [1]}' * 3_000, cont=True).decode()
SHORT = written(2).decode()


def pieces(line: str, *, first_id: int = 1, at_ms: int = 1_000) -> list[LogEvent]:
    cuts = range(0, len(line), CUT)
    return [LogEvent("s", f"{first_id + n:056d}", at_ms, line[cut : cut + CUT]) for n, cut in enumerate(cuts)]


def joined(*looks: tuple[float, list[LogEvent]]) -> list[str]:
    """What comes out when these events arrive at these times, and then nothing more."""
    joiner = Joiner(patience_s=PATIENCE_S)
    lines: list[bytes] = []
    for now, events in [*looks, (100.0, []), (200.0, [])]:
        lines += [found.text for found in joiner.feed(events, now) + joiner.settle(now)]
    assert joiner.open_since_ms is None
    return [line.decode() for line in lines]


ARRIVALS: dict[str, tuple[tuple[tuple[float, list[LogEvent]], ...], list[str]]] = {
    "a whole line at once": (((0, pieces(SHORT)),), [SHORT]),
    "pieces at once": (((0, pieces(LONG)),), [LONG]),
    "pieces in another order": (((0, pieces(LONG)[::-1]),), [LONG]),
    "a middle piece later": (((0, [pieces(LONG)[0], pieces(LONG)[2]]), (3, [pieces(LONG)[1]])), [LONG]),
    "the first piece last": (((0, pieces(LONG)[1:]), (9, pieces(LONG)[:1])), [LONG]),
    "pieces twice": (((0, pieces(LONG)), (1, pieces(LONG))), [LONG]),
    "a line that is full of braces": (((0, pieces(BRACES)),), [BRACES]),
    "two lines of one instant": (((0, pieces(LONG) + pieces(BRACES, first_id=9)),), [LONG, BRACES]),
    "a whole line behind pieces": (((0, [*pieces(LONG), *pieces(SHORT, first_id=9)]),), [SHORT, LONG]),
    "no end": (((0, pieces(LONG)[:1]),), [LONG[:CUT]]),
    "no end, and another line": (
        ((0, [*pieces(LONG)[:1], *pieces(BRACES, first_id=9)]),),
        [BRACES, LONG[:CUT]],
    ),
    "no beginning": (((0, pieces(LONG)[1:]),), [LONG[CUT : 2 * CUT], LONG[2 * CUT :]]),
    "not protocol": (((0, [LogEvent("s", "1", 1, "exec format error")]),), ["exec format error"]),
    "an object that is not of the protocol": (((0, [LogEvent("s", "1", 1, '{"a":1}')]),), ['{"a":1}']),
    "a line end of the runtime": (((0, [LogEvent("s", "1", 1, SHORT + "\r\n")]),), [SHORT]),
    "ids that say nothing": (
        ((0, [LogEvent("s", name, 1, one.text) for name, one in zip("cab", pieces(LONG), strict=True)]),),
        [LONG],
    ),
}


@pytest.mark.parametrize(("looks", "lines"), ARRIVALS.values(), ids=ARRIVALS.keys())
def test_pieces_become_the_line_that_they_were(
    looks: tuple[tuple[float, list[LogEvent]], ...], lines: list[str]
) -> None:
    assert joined(*looks) == lines


def test_who_reads_on_begins_before_the_pieces_that_wait() -> None:
    joiner = Joiner(patience_s=PATIENCE_S)
    joiner.feed([*pieces(LONG, at_ms=2_000)[:2], *pieces(BRACES, first_id=9, at_ms=1_000)[1:]], 0.0)
    assert joiner.open_since_ms == 1_000
    assert joiner.waits


def test_a_line_is_not_made_of_pieces_before_there_was_time_for_a_late_one() -> None:
    joiner = Joiner(patience_s=PATIENCE_S)
    joiner.feed(pieces(LONG), 0.0)
    assert not joiner.is_due(PATIENCE_S / 2 - 0.1)
    assert joiner.settle(PATIENCE_S / 2 - 0.1) == []
    assert joiner.is_due(PATIENCE_S / 2)
    assert joiner.settle(PATIENCE_S / 2) == [(1_000, LONG.encode())]


def test_what_was_given_up_is_counted_once_and_still_becomes_a_line_when_the_rest_comes() -> None:
    joiner = Joiner(patience_s=PATIENCE_S)
    head = pieces(LONG)[:1]
    joiner.feed(head, 0.0)
    assert len(joiner.settle(20.0)) == 1
    joiner.feed(head, 20.0)
    assert not joiner.waits
    assert joiner.settle(60.0) == []
    joiner.feed(pieces(LONG), 60.0)
    assert joiner.settle(66.0) == [(1_000, LONG.encode())]


def test_a_flood_of_what_is_not_protocol_is_not_kept() -> None:
    joiner = Joiner(patience_s=PATIENCE_S)
    joiner.feed([LogEvent("s", str(n), n, "noise") for n in range(5_000)], 0.0)
    assert len(joiner.settle(0.0)) == 5_000 - MOST_OPEN
    assert len(joiner.settle(100.0)) == MOST_OPEN
