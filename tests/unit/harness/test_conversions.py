"""What is made of values that JSON has no form for."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import io
import ipaddress
import pathlib
import re
import types
import uuid
from concurrent.futures import Future
from typing import Any, ClassVar, NamedTuple

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, TypeAdapter

from services.orchestrator.harness.src.answers import Answering
from services.orchestrator.harness.src.usage import usage_of
from tests.unit.harness.lookalikes import RESULTS, a_class, an_object

LIMIT = 1 << 20


def converted(value: object) -> tuple[Any, list[tuple[str, str]]]:
    answering = Answering()
    plain = answering.json(value, LIMIT)
    return plain, [(note["path"], note["how"]) for note in answering.notes()]


@pytest.mark.parametrize("name", RESULTS)
def test_of_what_a_framework_returns_its_final_text_or_output_is_the_answer(name: str) -> None:
    made, answer, how, usage = RESULTS[name]
    plain, notes = converted(made())
    assert (plain, notes[0]) == (answer, ("answer", how))
    assert usage_of(made(), None) == usage


@pytest.mark.parametrize("name", RESULTS)
def test_the_same_holds_inside_of_an_answer(name: str) -> None:
    made, answer, how, _ = RESULTS[name]
    plain, notes = converted({"answer": [made()]})
    assert (plain, notes[0]) == ({"answer": [answer]}, ("answer['answer'][0]", how))


def test_a_message_that_only_calls_tools_is_kept_whole() -> None:
    call = {"name": "search", "args": {"q": "x"}}
    message = an_object("langchain_core.messages", "BaseMessage", content="", tool_calls=[call])
    type(message).model_dump = lambda self, mode="python": dict(self.__dict__)
    assert converted(message)[0] == {"content": "", "tool_calls": [call]}


class Mood(enum.Enum):
    GOOD = "good"


class Pair(enum.Enum):
    A = (1, {2})


class Level(enum.StrEnum):
    HIGH = "high"


class Point(NamedTuple):
    x: int
    y: object


@dataclasses.dataclass
class Invoice:
    number: uuid.UUID
    total: decimal.Decimal
    due: dt.date
    created: dt.datetime
    took: dt.timedelta
    mood: Mood
    level: Level
    path: pathlib.Path
    kind: ClassVar[str] = "invoice"


class InvoiceModel(BaseModel):
    number: uuid.UUID
    total: decimal.Decimal
    due: dt.date
    created: dt.datetime
    took: dt.timedelta
    mood: Mood
    level: Level
    path: pathlib.Path


GIVEN: dict[str, Any] = {
    "number": uuid.UUID(int=1),
    "total": decimal.Decimal("12.50"),
    "due": dt.date(2026, 1, 2),
    "created": dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC),
    "took": dt.timedelta(hours=1, seconds=2.5),
    "mood": Mood.GOOD,
    "level": Level.HIGH,
    "path": pathlib.Path("/tmp/x"),
}


def test_a_dataclass_gives_what_a_pydantic_model_with_the_same_fields_gives() -> None:  # case 17
    assert converted(Invoice(**GIVEN))[0] == InvoiceModel(**GIVEN).model_dump(mode="json")


@attrs.define
class Slotted:
    due: dt.date


class Shown:
    """Case 10."""

    def __init__(self) -> None:
        self.stop_reason = "end_turn"
        self.message = {"role": "assistant", "content": [{"text": "The answer is 42."}]}
        self.metrics = object()

    def __str__(self) -> str:
        return str(self.message["content"][0]["text"])  # type: ignore[index]


class WithToDict:
    def to_dict(self) -> dict[str, object]:
        return {"due": dt.date(2026, 1, 2)}


class ToJson:
    def to_json(self) -> str:
        return '{"a": [1]}'


class Named:
    def __init__(self) -> None:
        self.a, self._b = 1, 2

    def __repr__(self) -> str:
        return "<Named>"


class Mapped:
    def keys(self) -> list[str]:
        return ["a"]

    def __getitem__(self, key: str) -> int:
        return len(key)


def done() -> Future[object]:
    future: Future[object] = Future()
    future.set_result({1})
    return future


VALUES: dict[str, tuple[Any, Any]] = {
    "named tuple": (Point(1, Point(2, None)), {"x": 1, "y": {"x": 2, "y": None}}),
    "attrs": (Slotted(dt.date(2026, 1, 2)), {"due": "2026-01-02"}),
    "object with str": (Shown(), "The answer is 42."),
    "to_dict": (WithToDict(), {"due": "2026-01-02"}),
    "to_json": (ToJson(), {"a": [1]}),
    "own object": (Named(), {"a": 1}),
    "mapping by its methods": (Mapped(), {"a": 1}),
    "mapping proxy": (types.MappingProxyType({"a": {1}}), {"a": [1]}),
    "user dict": (collections.UserDict({"a": 1}), {"a": 1}),
    "user list": (collections.UserList([1]), [1]),
    "user string": (collections.UserString("s"), "s"),
    "deque": (collections.deque([1, 2]), [1, 2]),
    "dictionary view": ({"a": 1}.items(), [["a", 1]]),
    "sorted set": ({3, 1, 2}, [1, 2, 3]),
    "frozen set": (frozenset(), []),
    "bytes": (b"\x00\xff", "AP8="),
    "byte array": (bytearray(b"abc"), "YWJj"),
    "memory view": (memoryview(b"abc"), "YWJj"),
    "buffer": (io.BytesIO(b"abc"), "YWJj"),
    "text buffer": (io.StringIO("abc"), "abc"),
    "time": (dt.time(1, 2, 3), "01:02:03"),
    "time of another zone": (
        dt.datetime(2026, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        "2026-01-02T00:00:00+02:00",
    ),
    "decimal that is no number": (decimal.Decimal("NaN"), "NaN"),
    "fraction": (fractions.Fraction(1, 3), "1/3"),
    "address": (ipaddress.ip_network("10.0.0.0/30"), "10.0.0.0/30"),
    "pattern": (re.compile("a+"), "a+"),
    "range": (range(3), [0, 1, 2]),
    "enumeration of tuples": (Pair.A, [1, [2]]),
    "exception": (ValueError("no"), "ValueError: no"),
    "namespace": (types.SimpleNamespace(a=1), {"a": 1}),
    "arguments": (argparse.Namespace(a={1}), {"a": [1]}),
    "future": (done(), [1]),
    "type": (int, "<class 'int'>"),
    "surrogates that make a character": ("\ud83d\ude00", "\U0001f600"),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_of_python_is_kept_as_what_comes_nearest(name: str) -> None:
    value, plain = VALUES[name]
    found, notes = converted([value])
    assert found == [plain]
    assert notes[0][0] == "answer[0]"


SCALARS = st.one_of(
    st.timedeltas(min_value=dt.timedelta(days=-10_000), max_value=dt.timedelta(days=10_000)),
    st.datetimes(min_value=dt.datetime(1, 1, 1)),  # noqa: DTZ001 - with and without a zone
    st.datetimes(timezones=st.just(dt.UTC)),
    st.dates(),
    st.times(),
    st.uuids(),
    st.decimals(allow_nan=False, allow_infinity=False),
)


@given(SCALARS)
def test_times_and_numbers_are_written_as_pydantic_writes_them(value: object) -> None:
    assert converted(value)[0] == TypeAdapter(type(value)).dump_python(value, mode="json")


class Arbitrary(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    raw: bytes
    thing: Any


def test_a_model_that_pydantic_cannot_write_as_json_is_converted_field_by_field() -> None:
    assert converted(Arbitrary(raw=b"\xff", thing=Shown()))[0] == {"raw": "/w==", "thing": "The answer is 42."}


class Raising:
    def __init__(self) -> None:
        self.a = 1

    @property
    def output(self) -> object:
        raise OSError

    def to_dict(self) -> object:
        raise KeyboardInterrupt

    def __str__(self) -> str:
        raise SystemExit


class Liar:
    """As mocks and clients of remote objects are: it has every attribute, and calls anything."""

    def __getattr__(self, name: str) -> Liar:
        return self

    def __call__(self, *args: object, **kwargs: object) -> Liar:
        return self

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return str


@dataclasses.dataclass
class HalfBroken:
    good: int
    bad: Any = None

    def __getattribute__(self, name: str) -> Any:
        if name == "bad":
            raise RuntimeError
        return object.__getattribute__(self, name)


def test_what_raises_when_asked_is_asked_another_way() -> None:
    assert converted(Raising())[0] == {"a": 1}
    assert converted(HalfBroken(1))[0] == {"good": 1, "bad": "[cannot be read: RuntimeError]"}


def test_what_answers_to_every_name_is_taken_for_nothing_that_it_is_not() -> None:
    plain, notes = converted([Liar()])
    assert plain[0].startswith("<tests.unit.harness.test_conversions.Liar object at")
    assert notes == [("answer[0]", "repr")]


def test_what_cannot_even_be_shown_is_named() -> None:
    def fail(self: object) -> str:
        raise SystemExit

    assert converted(a_class("foreign", "Shy", __repr__=fail)())[0] == "<unrepresentable foreign.Shy>"


def test_keys_that_are_no_text_become_it_and_those_that_meet_are_kept_apart() -> None:
    plain, notes = converted({1: "a", None: "b", dt.date(2026, 1, 2): "c", (1, 2): "d", "1": "e", Mood.GOOD: "f"})
    assert plain == {"1": "a", "null": "b", "2026-01-02": "c", "[1,2]": "d", "1 (str)": "e", "good": "f"}
    assert ("answer", "a name of its own for a key that is there twice as text") in notes


def test_notes_on_values_that_are_alike_are_one_note() -> None:
    day = dt.date(2026, 1, 2)
    plain, notes = converted({"rows": [{"day": day, "n": number} for number in range(1000)]})
    assert plain["rows"][999] == {"day": "2026-01-02", "n": 999}
    assert notes == [("answer['rows'][0]['day']", "isoformat, and 999 more")]


def test_there_are_at_most_100_notes_and_the_last_one_counts_the_rest() -> None:
    _, notes = converted({f"key{number}": {number} for number in range(500)})
    assert len(notes) == 100
    assert notes[98] == ("answer['key98']", "a sorted list")
    assert notes[99] == ("answer", "401 more conversions, not listed")


def test_what_contains_itself_by_way_of_objects_ends_with_a_mark() -> None:
    one, two = Named(), Named()
    one.a, two.a = two, one  # type: ignore[assignment]
    assert converted(one)[0] == {"a": {"a": "[cycle]"}}


def test_an_iteration_that_breaks_or_never_ends_keeps_what_came() -> None:
    def broken() -> Any:
        yield 1
        raise ValueError

    def endless() -> Any:
        while True:
            yield "x" * 1000

    assert converted({"rows": broken()})[0] == {"rows": [1, "[ended with ValueError]"]}
    plain, notes = converted({"rows": endless(), "answer": "kept"})
    assert plain["answer"] == "kept"
    assert plain["rows"][-1].startswith("[cut: ")
    assert ("answer['rows']", "cut") in notes
