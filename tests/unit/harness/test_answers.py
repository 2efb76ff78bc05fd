from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

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
    "named tuple": ("__import__('collections').namedtuple('P', 'x y')(1, 2)", [1, 2]),
    "dataclass": (
        "__import__('dataclasses').make_dataclass('D', ['a', 'b'])(1, {'c': (2,)})",
        {"a": 1, "b": {"c": [2]}},
    ),
    "object with an output": ("type('Result', (), {'output': {'a': 1}})()", {"a": 1}),
    "object with a content": ("[type('Message', (), {'content': 'hello'})()]", ["hello"]),
    "object with model_dump": ("type('Model', (), {'model_dump': lambda s, mode: {'mode': mode}})()", {"mode": "json"}),
    "empty": ("[{}, [], '']", [{}, [], ""]),
    "sixty levels": ("eval('[' * 60 + ']' * 60)", eval("[" * 60 + "]" * 60)),
}


@pytest.mark.parametrize("name", KEPT)
def test_an_answer_arrives_as_it_was_given(name: str, outcome_of: Run) -> None:
    expression, answer = KEPT[name]
    assert outcome_of(f"def run(q): return {expression}").response == answer


REFUSED: dict[str, tuple[str, str]] = {
    "set": ("{'found': [1, {2, 3}]}", "answer['found'][1] is a set"),
    "bytes": ("b'abc'", "answer is a bytes"),
    "object": ("object()", "answer is a object"),
    "own class": ("type('Thing', (), {})()", "answer is a Thing"),
    "function": ("[print]", "answer[0] is a builtin_function_or_method"),
    "date": ("__import__('datetime').date(2025, 1, 1)", "answer is a datetime.date"),
    "not a number": ("{'x': float('nan')}", "answer['x'] is nan"),
    "infinity": ("[float('-inf')]", "answer[0] is -inf"),
    "half a surrogate": ("{'x': '\\ud800'}", "answer['x'] holds half a surrogate pair"),
    "half a surrogate as key": ("{'\\ud800': 1}", "answer holds half a surrogate pair"),
    "key that cannot be text": ("{(1, 2): 3}", "answer has a key of type tuple"),
    "contains itself": ("(lambda a: a.append(a) or a)([])", "nested more than 64 levels"),
    "too deep": ("eval('[' * 70 + ']' * 70)", "nested more than 64 levels"),
    "more digits than Python reads": ("10**5000", "more than 4300 digits"),
    "model that fails to dump": (
        "type('M', (), {'model_dump': lambda s, mode: 1 / 0})()",
        "cannot be turned into JSON",
    ),
    "complex": ("1j", "answer is a complex"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_answer_that_is_not_json_says_what_and_where(name: str, outcome_of: Run) -> None:
    expression, message = REFUSED[name]
    outcome = outcome_of(f"def run(q): return {expression}")
    assert outcome.code == "RESULT_INVALID"
    assert message in outcome.message


def test_a_yield_that_is_not_json_is_refused_too(outcome_of: Run) -> None:
    outcome = outcome_of("def run(q):\n    yield 1\n    yield object()")
    assert outcome.code == "RESULT_INVALID"
    assert "answer[1] is a object" in outcome.message
    assert outcome.text == "1"


def test_an_answer_of_exactly_the_limit_is_kept(outcome_of: Run) -> None:
    size = LIMITS["response_bytes"]
    outcome = outcome_of(f"def run(q): return 'ä' * {(size - 2) // 2}")
    assert outcome.response == "ä" * ((size - 2) // 2)


def test_an_answer_over_the_limit_is_refused_with_its_size(outcome_of: Run) -> None:
    outcome = outcome_of(f"def run(q): return 'x' * {LIMITS['response_bytes']}")
    assert outcome.code == "RESULT_TOO_LARGE"
    assert "1,048,578 bytes" in outcome.message


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
