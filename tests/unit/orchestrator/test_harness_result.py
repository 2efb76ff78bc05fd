import json
from typing import Any

import pytest

from services.orchestrator.harness_result import HarnessResult, read_result
from shared.domain.failure import FailureCode
from shared.errors import Malformed

GOOD: dict[str, Any] = {
    "version": 1,
    "test_id": "tst_1",
    "attempt": 1,
    "nonce": "secret",
    "outcome": "success",
    "code": None,
    "response": {"answer": [1, 2.5, None, True, "ä"]},
    "error": None,
    "phases": {"build_ms": 1.5, "run_ms": 20.25},
    "cpu_s": 0.5,
    "peak_memory_bytes": 4096,
    "usage": {"input_tokens": 3, "output_tokens": 4},
    "lines": 2,
    "truncated": False,
    "exit_code": 0,
    "signal": None,
}


def raw(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def read(**changes: Any) -> HarnessResult:
    return read_result(raw(**changes), nonce="secret")


def test_a_result_is_read_whole() -> None:
    result = read(added_later=1)
    assert result.success
    assert result.response_json == '{"answer":[1,2.5,null,true,"ä"]}'
    assert (result.phases.build_ms, result.phases.run_ms, result.cpu_s, result.peak_memory_bytes) == (
        1.5,
        20.25,
        0.5,
        4096,
    )
    assert result.usage
    assert (result.usage.input_tokens, result.usage.output_tokens) == (3, 4)


def test_pins_are_read_and_what_is_none_is_left_out() -> None:
    pins = ["pydantic==2.8.2", "torch==2.1.0+cpu", "a.b==1!2.0.post1"]
    odd = ["", "x", "x==", "-r==1", "x==1\n", "x==1 --hash", "../x==1", 7, None]
    result = read(resolved=[*pins, *odd], built_from_source=[pins[0], *odd], python="3.11.2")
    assert (result.resolved, result.built_from_source, result.python) == (pins, pins[:1], "3.11.2")
    assert (read(resolved="x==1", python=3).resolved, read(python="3; rm").python) == ([], "")


def test_a_failure_is_read_with_its_error() -> None:
    error = {"type": "ValueError", "message": "no", "traceback": "Traceback ..."}
    result = read(outcome="error", code="AGENT_EXCEPTION", response=None, error=error)
    assert (result.success, result.code) == (False, FailureCode.AGENT_EXCEPTION)
    assert result.error
    assert result.error.model_dump() == {**error, "hint": ""}


ENTRY = {
    "name": "agent:run",
    "kind": "function",
    "signature": "(query)",
    "call": "run(query)",
    "query_passed": True,
    "named": False,
    "candidates": ["agent:main"],
}
FILE = {"path": "a/b.txt", "size": 3, "sha256": "0" * 64, "executable": True}


def test_what_was_called_and_converted_and_left_behind_is_read() -> None:
    note = {"path": "answer['due']", "type": "datetime.date", "how": "isoformat"}
    result = read(entry=ENTRY, conversions=[note], outputs=[FILE], outputs_left_out=["x: a link"])
    assert result.entry
    assert result.entry.model_dump() == ENTRY
    assert [one.model_dump() for one in result.conversions] == [note]
    assert [one.model_dump() for one in result.outputs] == [FILE]
    assert result.outputs_left_out == ["x: a link"]


@pytest.mark.parametrize(
    "entry",
    [
        *(None, "run", [], {}, 7, {**ENTRY, "name": ""}, {**ENTRY, "name": 3}, {**ENTRY, "query_passed": "much"}),
        *({**ENTRY, "candidates": "run"}, {**ENTRY, "candidates": ["x"] * 21}),
    ],
)
def test_an_entry_that_is_none_is_left_out_and_the_answer_kept(entry: Any) -> None:
    result = read(entry=entry)
    assert (result.success, result.entry) == (True, None)


def test_particulars_are_cut_and_those_that_are_none_are_left_out() -> None:
    note = {"path": "p" * 999, "type": "a\n\x00b", "how": 7}
    result = read(
        entry={**ENTRY, "name": "n" * 999, "signature": "\ud800"},
        conversions=[note, None, 3, {"path": "x"}, {"path": ""}, *[note] * 200],
        outputs=[{**FILE, "sha256": "X"}, {**FILE, "size": -1}, {**FILE, "path": ""}, FILE, "x"],
        outputs_left_out=[3, "a\nb", "w" * 900, *["x"] * 200],
    )
    assert result.entry
    assert (len(result.entry.name), result.entry.signature) == (200, "?")
    assert (len(result.conversions), len(result.conversions[0].path)) == (96, 300)
    assert (result.conversions[0].type, result.conversions[0].how) == ("a \x00b", "")
    assert [one.path for one in result.outputs] == ["a/b.txt"]
    assert (result.outputs_left_out[0], len(result.outputs_left_out[1])) == ("a b", 500)
    assert len(result.outputs_left_out) == 99
    odd: Any
    for odd in ("x", {}, None, 3):
        told = read(conversions=odd, outputs=odd, outputs_left_out=odd)
        assert (told.conversions, told.outputs, told.outputs_left_out) == ([], [], [])


def test_a_hint_is_one_line_of_at_most_500_characters() -> None:
    told = read(outcome="error", error={"type": "", "message": "m", "traceback": "", "hint": "do\nthis " + "x" * 600})
    assert told.error
    assert told.error.hint.startswith("do this xx")
    assert len(told.error.hint) == 500
    odd: Any
    for odd in (None, 3, ["x"]):
        error = read(outcome="error", error={"type": "", "message": "m", "traceback": "", "hint": odd}).error
        assert error
        assert error.hint == ""


@pytest.mark.parametrize("answer", [None, 0, "", False, [], {}, "done", 10**30, 1e-300, [[[]]], {"a": {"": 1}}])
def test_any_json_value_is_an_answer_and_comes_out_as_it_went_in(answer: Any) -> None:
    assert json.loads(read(response=answer).response_json) == answer


def test_a_deep_answer_is_an_answer() -> None:
    deep = "[" * 500 + "]" * 500
    assert read_result(
        raw(response=0).replace(b'"response": 0', b'"response": ' + deep.encode()), nonce="secret"
    ).success


def test_words_of_an_error_that_no_encoding_has_are_made_storable() -> None:
    result = read(outcome="error", error={"type": None, "message": "a\ud800b", "traceback": "\udfff"})
    assert result.error
    assert (result.error.type, result.error.message, result.error.traceback) == ("", "a?b", "?")


MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "half of it": raw()[:-20],
    "not text": b"\xff\xfe",
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "no nonce": b'{"outcome":"success"}',
    "unknown code": raw(outcome="error", code="MADE_UP"),
    "negative time": raw(cpu_s=-1),
    "endless time": raw(phases={"run_ms": float("inf")}),
    "time that is no number": raw(phases={"run_ms": float("nan")}),
    "time beyond all dates": raw(phases={"run_ms": 1e300}),
    "memory beyond what is stored": raw(peak_memory_bytes=2**63),
    "tokens beyond what is stored": raw(usage={"input_tokens": 2**63}),
    "answer that is no number": raw(response=float("nan")),
    "answer that is half a character": raw(response="\ud800"),
    "key that is half a character": raw(response={"\ud800": 1}),
    "number of too many digits": raw(response=0).replace(b'"response": 0', b'"response": ' + b"1" * 5_000),
    "deeper than can be read": raw(response=0).replace(b'"response": 0', b'"response": ' + b"[" * 200_000),
    "error that is a text": raw(error="no"),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_result_is_malformed_in_few_words(data: bytes) -> None:
    with pytest.raises(Malformed, match="The result object cannot be read") as caught:
        read_result(data, nonce="secret")
    assert len(str(caught.value)) <= 500


def test_a_harness_that_could_not_read_its_context_is_believed_without_a_nonce() -> None:
    result = read_result(b'{"version":1,"outcome":"error","code":"CONTEXT_UNAVAILABLE"}', nonce="secret")
    assert (result.success, result.code) == (False, "CONTEXT_UNAVAILABLE")


@pytest.mark.parametrize("nonce", ["", "guess", "secret "])
def test_a_result_with_another_nonce_is_not_from_the_harness(nonce: str) -> None:
    with pytest.raises(Malformed, match="nonce"):
        read(nonce=nonce)


def test_only_the_word_success_is_a_success() -> None:
    assert not read(outcome="SUCCESS").success
    assert not read(outcome=None).success
    assert not read(outcome=True).success
