import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.logstreamer.sequence import PhaseMark, Sequencer, runs
from shared.domain.logsequence import first_seq
from shared.events.logs import LogLine
from shared.events.tasks import HarnessPhase
from tests.support.samples import line
from tests.unit.logstreamer.protocol import NONCE, mark, partial, written


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[int, int, list[list[int]]]:
    """(first number, how many were written, what arrived in which reads): any loss, repetition and order."""
    first = draw(st.sampled_from([1, first_seq(2)]))
    count = draw(st.integers(0, 30))
    arrived = draw(st.lists(st.integers(first, first + count - 1), max_size=80)) if count else []
    cuts = sorted(draw(st.lists(st.integers(0, len(arrived)), max_size=5)))
    reads = [arrived[start:end] for start, end in zip([0, *cuts], [*cuts, len(arrived)], strict=True)]
    return first, count, reads


@given(deliveries(), st.data())
def test_whatever_happens_on_the_way_each_line_comes_once_in_order_and_the_end_is_exact(
    delivery: tuple[int, int, list[list[int]]], data: st.DataObject
) -> None:
    first, count, reads = delivery
    end_comes_with = data.draw(st.integers(0, len(reads) - 1))
    sequencer = Sequencer(nonce=NONCE, first=first)
    handed: list[int] = []
    arrived: set[int] = set()
    for number, numbers in enumerate(reads):
        pieces = [written(seq) for seq in numbers]
        if number == end_comes_with:
            pieces.insert(data.draw(st.integers(0, len(pieces))), mark("end", lines=first + count - 1))
        step = sequencer.feed(pieces)
        arrived |= set(numbers)
        handed += [found.seq for found in step.lines]
        assert step.unreadable == 0
        assert handed == list(range(first, first + len(handed)))  # not one step over a hole
        assert sequencer.last == first + len(handed) - 1
        assert sequencer.keeps_back == (len(handed) < len(arrived))
        everything = len(handed) == count and number >= end_comes_with
        assert sequencer.ended == everything
    handed += [found.seq for found in sequencer.release()]
    assert handed == sorted(arrived)
    assert not sequencer.keeps_back
    assert sequencer.expected_last == first + count - 1


def test_a_line_that_comes_after_its_hole_was_stepped_over_is_handed_on_once() -> None:
    sequencer = Sequencer(nonce=NONCE, first=1)
    sequencer.feed([written(1), written(3), written(6), mark("end", lines=6)])
    assert [found.seq for found in sequencer.release()] == [3, 6]
    assert (sequencer.ended, sequencer.has_skipped, sequencer.last) == (False, True, 6)
    assert [found.seq for found in sequencer.feed([written(4), written(3), written(4)]).lines] == [4]
    assert [found.seq for found in sequencer.feed([written(5), written(2)]).lines] == [5, 2]
    assert (sequencer.ended, sequencer.has_skipped) == (True, False)


@given(st.integers(0, 30), st.integers(0, 30))
def test_who_reads_on_from_a_number_meets_no_earlier_line_again(count: int, stored: int) -> None:
    sequencer = Sequencer(nonce=NONCE, first=1, last=min(stored, count))
    step = sequencer.feed([written(seq) for seq in range(1, count + 1)] + [mark("end", lines=count)])
    assert [found.seq for found in step.lines] == list(range(min(stored, count) + 1, count + 1))
    assert sequencer.ended


def test_a_source_that_wrote_nothing_ends_at_once() -> None:
    for attempt in (1, 2):
        sequencer = Sequencer(nonce=NONCE, first=first_seq(attempt))
        assert not sequencer.ended
        sequencer.feed([mark("end", lines=first_seq(attempt) - 1)])
        assert sequencer.ended


def test_marks_tell_phases_and_truncation() -> None:
    sequencer = Sequencer(nonce=NONCE, first=1)
    step = sequencer.feed([mark("building"), written(1), mark("running", ts=7.5), mark("truncated"), mark("news")])
    assert step.phases == [PhaseMark(HarnessPhase.BUILDING, 5.0), PhaseMark(HarnessPhase.RUNNING, 7.5)]
    assert [found.seq for found in step.lines] == [1]
    assert sequencer.truncated
    assert step.unreadable == 0


FORGED = {
    "another nonce": json.dumps({"mark": "end", "lines": 0, "nonce": "guessed"}),
    "no nonce": json.dumps({"mark": "end", "lines": 0}),
    "nonce of another type": json.dumps({"mark": "end", "lines": 0, "nonce": [NONCE]}),
    "not JSON": "hello",
    "half a line": '{"seq":1,"ts":1.0,"stream":"stdout","level":"in',
    "half a mark": '{"mark":"end","lines"',
    "a list": "[1]",
    "a list like a mark": '["mark", 1]',
    "nothing": "",
    "number zero": written(1).decode().replace('"seq":1', '"seq":0'),
    "no number": json.dumps({"ts": 1, "stream": "stdout", "level": "info", "text": "x"}),
    "unknown stream": written(1).decode().replace("stdout", "elsewhere"),
    "very deep": '{"mark":' + "[" * 100_000,
}


@pytest.mark.parametrize("piece", FORGED.values(), ids=FORGED.keys())
def test_what_is_not_protocol_is_counted_and_changes_nothing(piece: str) -> None:
    sequencer = Sequencer(nonce=NONCE, first=1)
    step = sequencer.feed([piece.encode(), b"\xff\xfe", written(1)])
    assert step.unreadable == 2
    assert [found.seq for found in step.lines] == [1]
    assert sequencer.expected_last is None


def test_a_line_that_looks_like_a_mark_is_a_line() -> None:
    step = Sequencer(nonce=NONCE, first=1).feed([written(1, mark("end", lines=0).decode())])
    assert [found.text for found in step.lines] == [mark("end", lines=0).decode()]
    assert step.phases == []


LINES = st.lists(st.tuples(st.booleans(), st.integers(0, 50)), max_size=60)


@given(LINES, st.integers(1, 8), st.integers(90, 400))
def test_pieces_have_no_hole_inside_and_keep_to_their_size(
    shape: list[tuple[bool, int]], max_lines: int, max_size: int
) -> None:
    lines: list[LogLine] = []
    for hole, length in shape:
        lines.append(line((lines[-1].seq if lines else 0) + (2 if hole else 1), "x" * length or "x"))
    pieces = runs(lines, max_lines=max_lines, max_size=max_size)
    assert [one for piece in pieces for one in piece] == lines
    for piece in pieces:
        assert 1 <= len(piece) <= max_lines
        assert [one.seq for one in piece] == list(range(piece[0].seq, piece[0].seq + len(piece)))
        assert len(piece) == 1 or sum(len(one.text) for one in piece) <= max_size


def test_lines_that_fit_stay_together() -> None:
    lines = [line(seq) for seq in range(1, 11)]
    assert runs(lines, max_lines=10, max_size=10_000) == [lines]
    assert runs([], max_lines=10, max_size=10_000) == []


def test_of_lines_that_have_not_ended_only_the_newest_word_counts_and_lines_take_its_place() -> None:
    sequencer = Sequencer(nonce=NONCE, first=1)
    told = sequencer.feed([partial(0, "a"), partial(0, "ab"), partial(0, "x", stream="stderr")])
    assert [(one.stream, one.text) for one in told.partials] == [("stdout", "ab"), ("stderr", "x")]
    assert (told.lines, told.unreadable, sequencer.last) == ([], 0, 0)
    assert sequencer.feed([partial(0, "abc"), written(1)]).partials == []
    assert sequencer.feed([partial(0, "abc")]).partials == []  # read a second time
    assert [one.after for one in sequencer.feed([partial(1, "next")]).partials] == [1]


def test_what_only_looks_like_an_open_line_is_unreadable() -> None:
    sequencer = Sequencer(nonce=NONCE, first=1)
    step = sequencer.feed([b'{"partial":true}', b'{"partial":', partial(-1), partial(0, stream="elsewhere")])
    assert (step.partials, step.unreadable) == ([], 4)
