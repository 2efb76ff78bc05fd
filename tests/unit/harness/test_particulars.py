"""What an agent's process says beside its answer: it may say anything."""

from __future__ import annotations

import pytest

from services.orchestrator.harness.src.particulars import entry_in
from services.orchestrator.harness.src.streams import Answer

ENTRY = (
    '{"entry":{"name":"agent:run","kind":"function","signature":"(q)","call":"run(q)","query_passed":true,'
    '"named":false,"candidates":["agent:main"]}}'
)

ANNOUNCED: dict[str, tuple[str, object]] = {
    "as we do": (
        ENTRY,
        {
            "name": "agent:run",
            "kind": "function",
            "signature": "(q)",
            "call": "run(q)",
            "query_passed": True,
            "named": False,
            "candidates": ["agent:main"],
        },
    ),
    "in the wrong kinds": (
        '{"entry":{"name":1,"kind":null,"signature":[],"call":{},"query_passed":1,"named":"x","candidates":[2]}}',
        {
            "name": "",
            "kind": "",
            "signature": "",
            "call": "",
            "query_passed": False,
            "named": False,
            "candidates": [""],
        },
    ),
    "a part of it": ('{"entry":{"name":"x"}}', None),
    "a text": ('{"entry":"run"}', None),
    "nothing": ('{"entry":null}', None),
    "half of it": ('{"entry":{', None),
    "no word": ("", None),
    "too deep": ('{"entry":' + "[" * 100_000, None),
}


@pytest.mark.parametrize("name", ANNOUNCED)
def test_what_a_process_says_of_its_call_is_cut_to_its_shape(name: str) -> None:
    said, entry = ANNOUNCED[name]
    assert entry_in(said.encode()) == entry


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_the_line_about_the_call_is_told_apart_from_the_answer(size: int) -> None:
    answer = Answer(3, 10_000)
    said = f'{ENTRY}\n{{"response":1}}\nrest\n'.encode()
    for start in range(0, len(said), size):
        assert not answer.complete or start >= said.index(b"rest")
        answer.feed(said[start : start + size])
    assert (answer.announced.decode(), answer.complete) == (ENTRY, True)
    assert answer.data.partition(b"\n")[0] == b'{"response":1}'


def test_a_process_that_ended_in_its_call_has_said_what_it_called() -> None:
    answer = Answer(3, 10_000)
    answer.feed(f"{ENTRY}\n".encode())
    assert (answer.announced.decode(), answer.complete, answer.data) == (ENTRY, False, b"")


def test_a_line_about_the_call_without_an_end_is_bounded() -> None:
    answer = Answer(3, 10_000)
    answer.feed(b'{"entry":' + b"x" * 10_000)
    assert (answer.complete, answer.too_large) == (True, True)
