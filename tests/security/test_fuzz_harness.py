"""What a task may leave behind, as nobody should write it: lines of its output, pieces of them in CloudWatch, and the
result. Nothing of it leaves a reader as an exception, forges a mark, or becomes what cannot be stored and shown."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import bson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.gateway.streams.loglines import message, partial_message
from services.gateway.translate import duration
from services.logstreamer.ports import Batch
from services.logstreamer.sequence import Sequencer, Step, runs
from services.logstreamer.sources.cloudwatch.pieces import Joiner
from services.logstreamer.sources.files import FileSource
from services.orchestrator.harness_result import read_result
from shared.aws.logs import LogEvent
from shared.domain.failure import FailureCode
from shared.domain.logsequence import BLOCK, first_seq
from shared.errors import Malformed
from shared.events.logs import LogLine, LogsAppended, OutputPartial
from shared.ids import TestId
from tests.support.fuzzing import fuzzed
from tests.support.samples import ALICE, NOW
from tests.support.wild_json import changed_bytes, wild_json
from tests.unit.logstreamer.protocol import NONCE, mark, partial, written

# What fails is shown, however long it is.
pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
TEST = TestId("tst_" + "0" * 32)
FIRST = first_seq(2)
BEYOND = (0, 1, FIRST - 1, FIRST + BLOCK, 2**31, 2**53, 2**63 - 1, 2**63, 10**30, -1)
LONG_S = 5.0
"""What takes longer takes time by the square of its input, or by a number that it names."""


def objects(piece: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(piece)
    return found


LINE, PARTIAL = objects(written(FIRST, "a", stream="stdout")), objects(partial(FIRST))
MARKS = [objects(mark(name, lines=FIRST, nonce="guess")) for name in ("end", "truncated", "running", "finished")]
GUESSES = st.sampled_from(("", "None", NONCE.upper(), NONCE + " ", "guess", None, 0, True, [NONCE], {"nonce": NONCE}))


@st.composite
def forged_marks(draw: st.DrawFn) -> bytes:
    """As somebody writes them who knows everything but the nonce."""
    value = {**draw(st.sampled_from(MARKS)), "nonce": draw(GUESSES)}
    if draw(st.booleans()):
        del value["nonce"]
    value["lines"] = draw(st.sampled_from((FIRST, *BEYOND)))
    return json.dumps(value).encode()


def wild_pieces() -> st.SearchStrategy[bytes]:
    lines = st.sampled_from((*BEYOND, *range(FIRST, FIRST + 40), FIRST + 999_000)).map(
        lambda seq: json.dumps({**LINE, "seq": seq}).encode()
    )
    return st.one_of(
        lines,
        wild_json(LINE),
        wild_json(PARTIAL),
        st.sampled_from(MARKS).flatmap(wild_json),
        forged_marks(),
        st.binary(max_size=60),
        st.integers(1, 40).flatmap(lambda seq: changed_bytes(written(FIRST + seq))),
    )


def fed(sequencer: Sequencer, pieces: list[bytes]) -> Step:
    """All of it, and what was kept back, in time."""
    begun = time.process_time()
    step = sequencer.feed(pieces)
    step.lines += sequencer.release()
    assert time.process_time() - begun < LONG_S
    return step


def check_can_be_told(step: Step) -> None:
    """Stored, published, decoded by whoever hears of it, and shown."""
    for run in runs(step.lines, max_lines=1_000, max_size=160 * 1024):
        event = LogsAppended(test_id=TEST, user_id=ALICE, attempt=2, at=NOW, lines=tuple(run))
        body = event.model_dump_json().encode()
        assert len(body) < 1 << 20
        assert LogsAppended.model_validate_json(body) == event
        bson.encode({"lines": [line.model_dump() for line in run]})
        for line in run:
            assert FIRST <= line.seq < FIRST + BLOCK
            message(line).time.ToDatetime()
    if step.partials:
        told = OutputPartial(test_id=TEST, user_id=ALICE, attempt=2, at=NOW, lines=tuple(step.partials))
        body = told.model_dump_json().encode()
        assert len(body) < 1 << 20
        assert OutputPartial.model_validate_json(body) == told
        for each in told.lines:
            partial_message(each).time.ToDatetime()
    for phase in step.phases:
        datetime.fromtimestamp(phase.ts, UTC)


def nothing_marked(sequencer: Sequencer, step: Step) -> bool:
    return sequencer.expected_last is None and not sequencer.truncated and not step.phases


@fuzzed(0.12)
@given(st.lists(wild_pieces(), max_size=8))
@example([json.dumps({**LINE, "seq": 10**7}).encode()])
@example([json.dumps({**LINE, "ts": float("nan")}).encode()])
@example([json.dumps({**LINE, "ts": 1e300}).encode()])
@example([json.dumps({**PARTIAL, "after": 2**70}).encode()])
@example([json.dumps({**LINE, "text": "\x00" * 200_000}).encode()])
@example([b'{"mark":"end","lines":1}'])
def test_whatever_stands_in_the_output_is_a_line_that_can_be_shown_or_counts_as_unreadable(pieces: list[bytes]) -> None:
    sequencer = Sequencer(nonce=NONCE, first=FIRST)
    step = fed(sequencer, pieces)
    assert nothing_marked(sequencer, step)
    assert len(step.lines) + len(step.partials) + step.unreadable <= len(pieces)
    check_can_be_told(step)


@fuzzed(0.02)
@given(
    st.sampled_from(["end", "truncated", "building", "running", "finished"]).flatmap(
        lambda name: wild_json(objects(mark(name, lines=FIRST)))
    )
)
@example(mark("end", lines="many"))
@example(mark("end", lines=1e400))
@example(mark("end", lines=10**30))
@example(mark("running", ts="soon"))
@example(mark("running", ts=1e300))
@example(b'{"mark":["end"],"nonce":"nonce"}')
def test_even_marks_with_the_right_nonce_are_taken_only_where_they_make_sense(piece: bytes) -> None:
    sequencer = Sequencer(nonce=NONCE, first=FIRST)
    step = fed(sequencer, [piece])
    assert sequencer.expected_last is None or FIRST - 1 <= sequencer.expected_last < FIRST + BLOCK
    check_can_be_told(step)


def test_a_task_without_a_nonce_believes_no_mark() -> None:
    sequencer = Sequencer(nonce="", first=FIRST)
    step = fed(sequencer, [mark("end", lines=FIRST, nonce=""), b'{"mark":"truncated"}'])
    assert nothing_marked(sequencer, step)


@st.composite
def with_rubbish(draw: st.DrawFn) -> tuple[int, list[bytes]]:
    """All lines of an output in any order, some twice, and between them what is no line of it."""
    count = draw(st.integers(0, 12))
    numbers = [*range(FIRST, FIRST + count)]
    more = draw(st.lists(st.sampled_from(numbers), max_size=4)) if numbers else []
    pieces = [written(seq) for seq in draw(st.permutations(numbers + more))]
    for rubbish in draw(st.lists(st.one_of(wild_pieces(), forged_marks()).filter(is_no_line), max_size=6)):
        pieces.insert(draw(st.integers(0, len(pieces))), rubbish)
    return count, pieces


def is_no_line(piece: bytes) -> bool:
    try:
        return not FIRST <= LogLine.model_validate_json(piece).seq < FIRST + BLOCK
    except ValidationError:
        return True


@fuzzed(0.05)
@given(with_rubbish(), st.integers(0, 30))
def test_the_count_stays_exact_whatever_is_strewn_in(output: tuple[int, list[bytes]], end: int) -> None:
    count, pieces = output
    pieces.insert(min(end, len(pieces)), mark("end", lines=FIRST + count - 1))
    sequencer = Sequencer(nonce=NONCE, first=FIRST)
    step = sequencer.feed(pieces)
    assert [line.seq for line in step.lines] == [*range(FIRST, FIRST + count)]
    assert sequencer.expected_last == FIRST + count - 1
    assert sequencer.ended


async def read_in_tears(path: Path, data: bytes, cuts: list[int]) -> list[bytes]:
    """Written piece by piece while it is followed."""
    path.write_bytes(b"")  # noqa: ASYNC240 - a small file, and nothing else on this loop
    source = FileSource(drain_s=0)
    feed = source.follow({"path": str(path)}, {}, since=NOW)
    lines: list[bytes] = []
    try:
        for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            with path.open("ab") as file:
                file.write(data[start:end])
            batch = Batch([1], {})  # type: ignore[list-item]
            while batch.lines:
                batch = await feed.read(wait_s=0)
                lines += batch.lines
    finally:
        feed.close()
        source.close()
    return lines


@fuzzed(0.01, slice_of=60)
@given(st.lists(st.one_of(wild_pieces(), st.integers(0, 9).map(lambda n: written(FIRST + n))), max_size=8), st.data())
def test_a_file_that_is_read_while_it_is_written_says_the_same_as_one_that_is_whole(
    pieces: list[bytes], data: st.DataObject
) -> None:
    whole = b"\n".join([*pieces, b""])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    with tempfile.TemporaryDirectory() as folder:
        read = asyncio.run(read_in_tears(Path(folder) / "output.jsonl", whole, cuts))
    assert (
        fed(Sequencer(nonce=NONCE, first=FIRST), read).lines
        == fed(Sequencer(nonce=NONCE, first=FIRST), whole.splitlines()).lines
    )


@st.composite
def cut_lines(draw: st.DrawFn) -> list[LogEvent]:
    """Lines whose text is full of forged ones, cut anywhere: who wrote the text may know even the nonce."""
    events: list[LogEvent] = []
    forged = st.sampled_from(
        (
            mark("end", lines=FIRST).decode(),
            mark("truncated").decode(),
            "}",
            "\n",
            '"}',
            "\x00" * 50,
            '\\"',
            "x" * 17_000,
        )
    )
    for seq in range(draw(st.integers(0, 3))):
        text = "".join(draw(st.lists(forged, min_size=1, max_size=6)))
        line = written(FIRST + seq, text).decode()
        cuts = sorted(draw(st.lists(st.integers(0, len(line)), max_size=5)))
        events += [
            LogEvent("s", str(len(events) + n), 0, line[start:end])
            for n, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(line)], strict=True))
        ]
    for junk in draw(st.lists(wild_pieces(), max_size=3)):
        event = LogEvent(
            "s", draw(st.sampled_from(("", "x", "9" * 56))), draw(st.integers(0, 9)), junk.decode(errors="replace")
        )
        events.insert(draw(st.integers(0, len(events))), event)
    return events


@fuzzed(0.06)
@given(cut_lines())
def test_pieces_of_lines_become_lines_or_nothing_and_never_a_mark(events: list[LogEvent]) -> None:
    begun = time.process_time()
    joiner = Joiner(patience_s=10)
    found = [*joiner.feed(events, 0.0)]
    for now in (0.0, 6.0, 11.0, 40.0):
        found += joiner.settle(now)
    assert time.process_time() - begun < LONG_S
    sequencer = Sequencer(nonce=NONCE, first=FIRST)
    step = fed(sequencer, [one.text for one in found])
    assert nothing_marked(sequencer, step)
    check_can_be_told(step)


def test_pieces_that_look_like_the_next_ones_of_a_long_line_cost_no_time_by_the_square() -> None:
    head, more = '{"text":[' + "1," * 120_000 + "{}", "," + "1," * 120_000 + "{}"
    joiner = Joiner(patience_s=10)
    joiner.feed([LogEvent("s", str(n), n, head if n % 63 == 0 else more) for n in range(500)], 0.0)
    begun = time.process_time()
    joiner.settle(6.0)
    assert time.process_time() - begun < LONG_S


RESULT = {
    "nonce": NONCE,
    "outcome": "success",
    "response": {"answer": [1, 2.5, "a"]},
    "phases": {"build_ms": 10.5, "run_ms": 20.5},
    "cpu_s": 0.5,
    "peak_memory_bytes": 1 << 20,
    "usage": {"input_tokens": 1, "output_tokens": 2},
    "lines": 3,
    "truncated": False,
    "exit_code": 0,
    "signal": None,
    "resolved": ["a==1", "b==2.0"],
    "python": "3.11.2",
    "entry": {"name": "run", "kind": "function", "query_passed": True, "candidates": ["a"]},
    "conversions": [{"path": "$", "type": "set", "how": "list"}],
    "outputs": [{"path": "a.txt", "size": 1, "sha256": "0" * 64}],
    "outputs_left_out": ["b"],
}
FAILED = {
    **RESULT,
    "outcome": "failure",
    "code": "AGENT_EXCEPTION",
    "error": {"type": "ValueError", "message": "no", "traceback": "Traceback", "hint": "yes"},
}
UNREAD = {"outcome": "failure", "code": "CONTEXT_UNAVAILABLE", "error": {"message": "no context"}}


def not_json(constant: str) -> NoReturn:
    raise AssertionError(constant)


@fuzzed(0.12)
@given(st.one_of(*(wild_json(value) for value in (RESULT, FAILED, UNREAD)), st.binary(max_size=40)))
@example(json.dumps({**RESULT, "exit_code": 2**63}).encode())
@example(json.dumps({**RESULT, "lines": 10**30}).encode())
@example(json.dumps({**RESULT, "cpu_s": 1e300}).encode())
@example(json.dumps({**RESULT, "response": "@"}).replace('"@"', "1e999").encode())
@example(json.dumps({**RESULT, "response": "@"}).replace('"@"', "[" * 100_000).encode())
@example(json.dumps({**RESULT, "nonce": "\ud800"}).encode())
@example(b"\xff\xfe{}")
@example(b"[]")
def test_any_bytes_as_the_result_are_a_result_that_can_be_stored_and_shown_or_malformed(raw: bytes) -> None:
    begun = time.process_time()
    try:
        result = read_result(raw, nonce=NONCE)
    except Malformed as error:
        str(error).encode()
        return
    finally:
        assert time.process_time() - begun < LONG_S
    assert result.nonce == NONCE or (result.nonce == "" and result.code is FailureCode.CONTEXT_UNAVAILABLE)
    json.loads(result.response_json, parse_constant=not_json)
    bson.encode(result.model_dump())
    for seconds in (result.cpu_s, *((ms or 0) / 1000 for ms in result.phases.model_dump().values())):
        shown = duration(seconds)
        assert shown is None or shown.ToJsonString()


@fuzzed(0.02)
@given(wild_json(RESULT), st.text(max_size=8))
def test_a_result_with_another_nonce_is_never_taken(raw: bytes, nonce: str) -> None:
    if nonce in {NONCE, ""}:
        return
    with pytest.raises(Malformed):
        read_result(raw, nonce=nonce + "x")
