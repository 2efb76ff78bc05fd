from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from services.orchestrator.harness.src.jsontext import to_json
from tests.unit.harness.started import LIMITS, Outcome, interpreters, run

Run = Callable[..., Outcome]
OTHER = interpreters()[1]

KEPT: dict[str, tuple[str, Any]] = {
    "nothing": ("None", None),
    "text": ("'grüße \\u2028 \\0 \"'", 'grüße \u2028 \0 "'),
    "numbers": ("[0, -1, 2**53 + 1, 1.5, 1e300, True]", [0, -1, 2**53 + 1, 1.5, 1e300, True]),
    "a large integer": ("10**40", 10**40),
    "tuple": ("(1, (2, 3))", [1, [2, 3]]),
    "keys that are not text": ("{1: 'a', None: 'b', True: 'c', 1.5: 'd'}", {"1": "c", "null": "b", "1.5": "d"}),
    "enumerations of text and numbers": (
        "[__import__('enum').StrEnum('A', 'X').X, __import__('enum').IntEnum('B', 'Y').Y]",
        ["x", 1],
    ),
    "dataclass": (
        "__import__('dataclasses').make_dataclass('D', ['a', 'b'])(1, {'c': (2,)})",
        {"a": 1, "b": {"c": [2]}},
    ),
    "object with a content": ("[type('Message', (), {'content': 'hello'})()]", ["hello"]),
    "object with model_dump": ("type('Model', (), {'model_dump': lambda s, mode: {'mode': mode}})()", {"mode": "json"}),
    "empty": ("[{}, [], '']", [{}, [], ""]),
    "sixty levels": ("eval('[' * 60 + ']' * 60)", eval("[" * 60 + "]" * 60)),
}


@pytest.mark.parametrize("name", KEPT)
def test_an_answer_arrives_as_it_was_given(name: str, outcome_of: Run) -> None:
    expression, answer = KEPT[name]
    assert outcome_of(f"def run(q): return {expression}").response == answer


Notes = list[tuple[str, str, str]]
TO_JSON: dict[str, tuple[str, Any, Notes]] = {
    "named tuple": (
        "__import__('collections').namedtuple('P', 'x y')(1, {2})",
        {"x": 1, "y": [2]},
        [("answer", "P", "its fields"), ("answer.y", "set", "a sorted list")],
    ),
    "set": ("{'found': [1, {3, 2}]}", {"found": [1, [2, 3]]}, [("answer['found'][1]", "set", "a sorted list")]),
    "bytes": ("b'abc'", "YWJj", [("answer", "bytes", "base64")]),
    "own object": (
        "type('Thing', (), {'__init__': lambda s: s.__dict__.update(a=1, _b=2)})()",
        {"a": 1},
        [("answer", "Thing", "its attributes")],
    ),
    "function": ("[print]", ["<built-in function print>"], [("answer[0]", "builtin_function_or_method", "repr")]),
    "date": ("__import__('datetime').date(2025, 1, 1)", "2025-01-01", [("answer", "datetime.date", "isoformat")]),
    "time in a dictionary": (  # case 16
        "{'answer': q, 'generated_at': __import__('datetime').datetime(2026, 1, 2, 3, 4)}",
        {"answer": "how are you?", "generated_at": "2026-01-02T03:04:00"},
        [("answer['generated_at']", "datetime.datetime", "isoformat")],
    ),
    "not a number": ("{'x': float('nan')}", {"x": None}, [("answer['x']", "float", "null for nan")]),
    "infinity": ("[float('-inf')]", [None], [("answer[0]", "float", "null for -inf")]),
    "half a surrogate": (
        "{'x': 'a\\ud800'}",
        {"x": "a\ufffd"},
        [("answer['x']", "str", "Unicode, with U+FFFD for half a surrogate pair")],
    ),
    "half a surrogate as key": (
        "{'\\ud800': 1}",
        {"\ufffd": 1},
        [("answer", "str", "Unicode, with U+FFFD for half a surrogate pair")],
    ),
    "key that is a tuple": ("{(1, 'x'): 3}", {'[1,"x"]': 3}, [("answer", "tuple", "text for a key")]),
    "contains itself": (
        "(lambda a: a.append(a) or a)([1])",
        [1, "[cycle]"],
        [("answer[1]", "list", "the mark [cycle]")],
    ),
    "more digits than Python reads": ("[16**5000]", ["0x1" + "0" * 5000], [("answer[0]", "int", "hex")]),
    "complex": ("1 + 2j", "1+2j", [("answer", "complex", "str")]),
    "model that fails to dump": (
        "type('M', (), {'model_dump': lambda s, mode='': 1 / 0, '__str__': lambda s: 'kept'})()",
        "kept",
        [("answer", "M", "str")],
    ),
    "object with an output": (
        "type('Result', (), {'output': {'a': 1}})()",
        {"a": 1},
        [("answer", "Result", ".output")],
    ),
    "iterator": ("map(str, [1, 2])", "12", []),
    "coroutine inside": (
        "[(lambda: (yield))(), (lambda c: c)(__import__('asyncio').sleep(0))]",
        [[None], None],
        [("answer[0]", "generator", "a list"), ("answer[1]", "coroutine", "awaited")],
    ),
}


@pytest.mark.parametrize("name", TO_JSON)
def test_an_answer_that_is_not_plain_json_is_converted_and_noted(name: str, outcome_of: Run) -> None:
    expression, answer, notes = TO_JSON[name]
    outcome = outcome_of(f"def run(q): return {expression}")
    assert outcome.response == answer
    assert [(one["path"], one["type"], one["how"]) for one in outcome.result["conversions"]] == notes


@pytest.mark.parametrize("made", ["MagicMock()", "AsyncMock()", "MagicMock(spec=str)", "Mock()"])
def test_a_mock_is_taken_for_nothing_that_it_is_not(made: str, outcome_of: Run) -> None:
    outcome = outcome_of(f"from unittest.mock import AsyncMock, MagicMock, Mock\ndef run(q): return {made}")
    assert outcome.response.startswith("<")
    assert [one["how"] for one in outcome.result["conversions"]] == ["repr"]


def test_an_answer_that_is_too_deep_ends_with_a_mark(outcome_of: Run) -> None:
    outcome = outcome_of("def run(q): return eval('[' * 70 + ']' * 70)")
    answer = outcome.response
    for _ in range(64):
        [answer] = answer
    assert answer == "[nested too deep]"
    assert [one["how"] for one in outcome.result["conversions"]] == ["the mark [nested too deep]"]


STRICT: dict[str, tuple[str, str]] = {
    "set": ("{'found': [1, {2, 3}]}", "answer['found'][1] is a set"),
    "bytes": ("b'abc'", "answer is a bytes"),
    "own class": ("type('Thing', (), {})()", "answer is a Thing"),
    "function": ("[print]", "answer[0] is a builtin_function_or_method"),
    "date": ("__import__('datetime').date(2025, 1, 1)", "answer is a datetime.date"),
    "not a number": ("{'x': float('nan')}", "answer['x'] is nan"),
    "infinity": ("[float('-inf')]", "answer[0] is -inf"),
    "half a surrogate": ("{'x': '\\ud800'}", "answer['x'] holds half a surrogate pair"),
    "key that is no text": ("{(1, 2): 3}", "answer has a key of type tuple"),
    "contains itself": ("(lambda a: a.append(a) or a)([])", "nested more than 64 levels"),
    "too deep": ("eval('[' * 70 + ']' * 70)", "nested more than 64 levels"),
    "more digits than Python reads": ("10**5000", "more than 4300 digits"),
}


@pytest.mark.parametrize("name", STRICT)
def test_a_strict_test_says_what_is_not_json_and_where_and_keeps_the_answer_in_the_log(name: str) -> None:
    expression, message = STRICT[name]
    outcome = run(f"def run(q): return {expression}", strict_answer=True)
    assert outcome.code == "RESULT_INVALID"
    assert message in outcome.message
    assert outcome.text.startswith("The answer, converted: ")
    assert outcome.result["conversions"] == []


@pytest.mark.parametrize("printed", ["'x' * (2 << 20)", "chr(1) * (1 << 19)"], ids=["as text", "as JSON"])
def test_what_a_script_prints_is_cut_and_in_a_strict_test_refused(printed: str) -> None:
    script: dict[str, Any] = {"entrypoint": "__main__", "strict_answer": True, "query": None}
    refused = run(f"print({printed})", **script)
    assert refused.code == "RESULT_TOO_LARGE"
    assert "an answer may have 1,048,576 as JSON" in refused.message
    assert "bytes were printed]" in run(f"print({printed})", entrypoint="__main__", query=None).response[-60:]
    assert run("print('short', end='\\n\\n')", **script).response == "short"


def test_a_strict_test_takes_plain_json_and_refuses_what_is_too_large() -> None:
    plain = run("def run(q): return {'a': [1, None, (2.5, 'x')]}", strict_answer=True)
    assert plain.response == {"a": [1, None, [2.5, "x"]]}
    large = run(f"def run(q): return 'x' * {LIMITS['response_bytes']}", strict_answer=True)
    assert large.code == "RESULT_TOO_LARGE"
    assert "1,048,578 bytes" in large.message
    assert large.text.startswith('The answer, converted: "xxx')
    assert len(large.text) < LIMITS["line_bytes"]


def test_a_strict_test_refuses_a_yield_that_is_not_json() -> None:
    outcome = run("def run(q):\n    yield 1\n    yield {2}", strict_answer=True)
    assert outcome.code == "RESULT_INVALID"
    assert "answer[1] is a set" in outcome.message
    assert outcome.text.startswith("1\n[2]\nThe answer, converted: ")


def test_yields_that_are_not_json_are_converted_and_noted(outcome_of: Run) -> None:
    outcome = outcome_of("def run(q):\n    yield 1\n    yield {2}")
    assert outcome.response == [1, [2]]
    assert outcome.text == "1\n[2]"
    assert [one["path"] for one in outcome.result["conversions"]] == ["answer[1]"]


def test_an_answer_of_exactly_the_limit_is_kept(outcome_of: Run) -> None:
    size = LIMITS["response_bytes"]
    outcome = outcome_of(f"def run(q): return 'ä' * {(size - 2) // 2}")
    assert outcome.response == "ä" * ((size - 2) // 2)


def test_of_an_answer_over_the_limit_as_much_is_kept_as_fits_and_what_is_cut_is_noted(outcome_of: Run) -> None:
    outcome = outcome_of("def run(q): return {'raw': 'x' * (3 << 20), 'rows': [7] * 9, 'answer': 'short'}")
    answer = outcome.response
    assert (answer["rows"], answer["answer"]) == ([7] * 9, "short")
    assert answer["raw"].startswith("x" * 1_000_000)
    assert answer["raw"].endswith(" of 3,145,728 characters]")
    assert len(to_json(answer)) <= LIMITS["response_bytes"]
    [note] = outcome.result["conversions"]
    assert (note["path"], note["type"]) == ("answer['raw']", "str")
    assert note["how"].startswith("cut: 1,048,")


def test_a_pydantic_model_is_dumped_for_json() -> None:
    code = """
        import datetime
        from pydantic import BaseModel
        class Answer(BaseModel):
            content: str
            at: datetime.date
        def run(q): return {"answers": [Answer(content="c", at=datetime.date(2025, 1, 2))]}
    """
    assert run(code, python=OTHER).response == {"answers": [{"content": "c", "at": "2025-01-02"}]}


RESULT = """
class Usage:
    input_tokens = 1
    output_tokens = 2
class Result:
    output = 'x'
    def usage(self): return Usage()
"""
MESSAGE = "class M:\n    content = 'x'\n    usage_metadata = {'input_tokens': 8, 'output_tokens': 9}"

USAGE: dict[str, tuple[str, dict[str, int] | None]] = {
    "none": ("def run(q): return 1", None),
    "in the answer": (
        "def run(q): return {'usage': {'input_tokens': 3, 'output_tokens': 4}}",
        {"input_tokens": 3, "output_tokens": 4},
    ),
    "as chat APIs name it": (
        "def run(q): return {'usage': {'prompt_tokens': 3, 'completion_tokens': 4, 'total_tokens': 7}}",
        {"input_tokens": 3, "output_tokens": 4},
    ),
    "as Ollama names it": (
        "def run(q): return {'message': 'm', 'prompt_eval_count': 5, 'eval_count': 6}",
        {"input_tokens": 5, "output_tokens": 6},
    ),
    "a method of the result": (f"{RESULT}\ndef run(q): return Result()", {"input_tokens": 1, "output_tokens": 2}),
    "metadata of a message": (f"{MESSAGE}\ndef run(q): return M()", {"input_tokens": 8, "output_tokens": 9}),
    "a sum over messages": (
        f"{MESSAGE}\ndef run(q): return {{'messages': [M(), M()]}}",
        {"input_tokens": 16, "output_tokens": 18},
    ),
    "a variable of the module": (
        "usage = {'input_tokens': 0, 'output_tokens': 0}\ndef run(q):\n    usage['input_tokens'] += 11\n    return 1",
        {"input_tokens": 11, "output_tokens": 0},
    ),
    "more than there can be": ("def run(q): return {'usage': {'input_tokens': 10**30}}", None),
    "nonsense": ("usage = 'much'\ndef run(q): return {'usage': {'input_tokens': 'many'}}", None),
    "replies of a pipeline": (
        (
            "class M:\n    meta = {'usage': {'prompt_tokens': 8, 'completion_tokens': 9}}\n"
            "def run(q): return {'llm': {'replies': [M()]}, 'other': {'meta': [{'usage': {'prompt_tokens': 1}}]}}"
        ),
        {"input_tokens": 9, "output_tokens": 9},
    ),
    "a message as the result of a handler": (
        (
            "def run(q): return {'result': {'role': 'assistant', 'content': [], 'metadata': {'usage': "
            "{'inputTokens': 5, 'outputTokens': 6}}}}"
        ),
        {"input_tokens": 5, "output_tokens": 6},
    ),
    "what an agent of smolagents has counted": (
        (
            "class Agent:\n    __module__ = 'smolagents.agents'\n    class monitor:\n"
            "        total_input_token_count = 3\n        total_output_token_count = 4\n"
            "agent = other = Agent()\ndef run(q): return 'x'"
        ),
        {"input_tokens": 3, "output_tokens": 4},
    ),
    "the calls that dspy remembers": (
        (
            "import sys, types\nsys.modules['dspy'] = types.SimpleNamespace(settings=types.SimpleNamespace(lm="
            "types.SimpleNamespace(history=[{'usage': {'prompt_tokens': 2, 'completion_tokens': 3}}] * 2)))\n"
            "def run(q): return 'x'"
        ),
        {"input_tokens": 4, "output_tokens": 6},
    ),
    "an object that fails when asked": (
        "class R:\n    output = 1\n    @property\n    def usage(self): raise OSError\ndef run(q): return R()",
        None,
    ),
}


@pytest.mark.parametrize("name", USAGE)
def test_token_usage_is_taken_from_where_agents_have_it(name: str, outcome_of: Run) -> None:
    code, usage = USAGE[name]
    outcome = outcome_of(code)
    assert outcome.result["outcome"] == "success"
    assert outcome.result["usage"] == usage


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def run(q):\n    def inner(): ...\n    return inner", "a function (inner)"),
        ("def run(q): return len", "a function (len)"),
        ("def run(q): return q.upper", "a function (upper)"),
        ("class A:\n    def go(self): ...\ndef run(q): return A().go", "a method (go)"),
        ("class Crew: ...\ndef run(q): return Crew", "a class (Crew)"),
        ("import json\ndef run(q): return json", "a module (json)"),
    ],
)
def test_a_piece_of_a_program_is_no_answer(code: str, said: str, outcome_of: Run) -> None:
    result = outcome_of(code).result
    assert (result["outcome"], result["code"]) == ("error", "RESULT_INVALID")
    assert result["error"]["message"] == f"The agent returned {said}, not an answer."
    assert "meant to be called" in result["error"]["hint"]
    assert outcome_of("def run(q): return {'made of': len}").result["outcome"] == "success"
