"""Whatever an agent returns: what comes out is JSON within its bounds, and plain JSON comes out as it went in."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.orchestrator.harness.src.answers import MAX_DEPTH, Answering, TooLarge
from services.orchestrator.harness.src.conversion_notes import MAX_NOTES
from services.orchestrator.harness.src.fitting import fitted, json_size
from services.orchestrator.harness.src.jsontext import NotJson, to_json
from services.orchestrator.harness.src.plain_answers import NotPlain, plain_copy
from services.orchestrator.harness.src.usage import usage_of

LIMIT = 4096

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=30,
)


class Colour(enum.StrEnum):
    RED = "red"


class Weight(enum.IntEnum):
    HEAVY = 9


class Odd(enum.Enum):
    ONE = (1, b"x")


class OwnText(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError


class OwnNumber(int):
    def __int__(self) -> int:
        raise RuntimeError


class OwnList(list[Any]):
    def __iter__(self) -> Any:
        raise RuntimeError


class OwnDict(dict[Any, Any]):
    def items(self) -> Any:
        raise RuntimeError

    def __getattr__(self, name: str) -> Any:
        return self[name]


class Nasty:
    """Each of its methods goes wrong in its own way."""

    def __init__(self, inside: object) -> None:
        self.inside = inside
        self.me = self

    @property
    def content(self) -> object:
        raise BaseException("no")  # noqa: TRY002 - whatever can be raised

    def model_dump(self, **_: object) -> object:
        raise MemoryError

    def to_dict(self) -> object:
        return self

    def __len__(self) -> int:
        raise RuntimeError

    def __bool__(self) -> bool:
        raise RuntimeError

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    def __hash__(self) -> int:
        return 1


class Liar:
    def __getattribute__(self, name: str) -> Any:
        return lambda *_, **__: Liar()


class Lied(type):
    __qualname__ = "x"

    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError


class OfLiars(metaclass=Lied):
    pass


@dataclasses.dataclass
class Holder:
    inside: Any
    other: Any = dataclasses.field(default_factory=lambda: {dt.date(2026, 1, 2): {decimal.Decimal(1)}})


def cycle(inside: object) -> list[object]:
    made: list[object] = [inside]
    made.append({"again": made})
    return made


def deep(inside: object) -> object:
    for _ in range(100):
        inside = [inside]
    return inside


def pieces(inside: object) -> Any:
    yield inside
    raise ValueError("after one")


WRAPPERS: tuple[Callable[[Any], Any], ...] = (
    *(
        Nasty,
        Holder,
        cycle,
        deep,
        pieces,
        lambda inside: OwnList([inside]),
        lambda inside: OwnDict(a=inside),
        lambda inside: [inside] * 50,
    ),
    *(lambda inside: {(1, 2): inside, None: 1, 1.5: 2, b"k": 3}, lambda inside: collections.deque([inside])),
    *(lambda inside: iter([inside] * 3), ValueError, lambda inside: (inside,)),
    *(lambda _: Liar(), lambda _: OfLiars(), lambda _: [OfLiars]),
)
SINGLE = (
    *(10**5000, -(10**5000), float("nan"), "x" * 10_000, "\x00" * 5000, "\U0001f600" * 3000),
    *(Colour.RED, Weight.HEAVY, Odd.ONE, OwnText("own"), OwnNumber(7)),
)
LEAVES = st.one_of(
    PLAIN,
    st.floats(),
    st.text(alphabet=st.characters(), max_size=30),
    st.text(alphabet=st.sampled_from("\ud800\udc00a\x00"), max_size=10),
    st.binary(),
    st.integers(min_value=0, max_value=10).map(lambda number: SINGLE[number]),  # Hypothesis cannot show all of them
    st.builds(object),
    st.sets(st.integers() | st.text(), max_size=5),
    st.dates() | st.timedeltas() | st.times() | st.decimals(),
)


def wrapped(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    one = st.builds(lambda wrap, inside: wrap(inside), st.sampled_from(WRAPPERS), inner)
    return one | st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4)


ANYTHING = st.recursive(LEAVES, wrapped, max_leaves=8)


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(PLAIN)
def test_plain_json_comes_out_as_it_went_in_and_without_a_note(value: object) -> None:
    for strict in (False, True):
        answering = Answering(strict=strict)
        assert answering.json(value, 1 << 20) == value
        assert answering.notes() == []


@settings(max_examples=400, deadline=None)
@given(ANYTHING)
def test_anything_becomes_json_within_its_bounds(value: object) -> None:
    answering = Answering()
    plain = answering.json(value, LIMIT)
    text = to_json(plain)
    assert len(text.encode("utf-8")) <= LIMIT  # and with that it is Unicode
    assert json.loads(text, parse_constant=pytest.fail) == plain
    assert depth_of(plain) <= MAX_DEPTH
    notes = answering.notes()
    assert len(notes) <= MAX_NOTES
    assert all(type(note[name]) is str for note in notes for name in ("path", "type", "how"))
    assert all(note["path"].startswith("answer") and len(note["path"]) <= 400 for note in notes)
    usage_of(value, None)


@settings(max_examples=200, deadline=None)
@given(ANYTHING)
def test_a_strict_test_takes_it_as_it_is_or_says_why_not(value: object) -> None:
    strict, lenient = Answering(strict=True), Answering()
    try:
        plain = strict.json(value, LIMIT)
    except (NotJson, TooLarge):
        return
    assert strict.notes() == []
    assert plain == lenient.json(value, LIMIT)
    assert lenient.notes() == []


@settings(deadline=None)
@given(PLAIN, st.integers(min_value=400, max_value=3000))
def test_plain_data_is_cut_to_any_size_and_each_cut_is_told(value: object, limit: int) -> None:
    value = [value] * 10
    kept, cuts = fitted(value, limit) if json_size(value) > limit else (value, [])
    assert json_size(kept) <= limit
    assert (kept == value) == (cuts == [])


def test_of_rows_the_first_are_kept_and_what_stands_behind_them_too() -> None:
    rows = [{"number": number, "text": "x" * 20} for number in range(10_000)]
    kept, cuts = fitted({"rows": rows, "answer": "kept"}, 100_000)
    assert kept["answer"] == "kept"
    assert kept["rows"][:1000] == rows[:1000]
    assert kept["rows"][-1].startswith("[cut: ")
    assert [(path, kind) for path, kind, _ in cuts] == [("['rows']", "list")]
    assert 90_000 < json_size(kept) <= 100_000


def test_of_several_long_texts_each_keeps_its_share_and_short_ones_stay() -> None:
    kept, cuts = fitted({"a": "a" * 90_000, "b": "b" * 50_000, "c": "c" * 900, "d": "d" * 10_000}, 100_000)
    assert (len(kept["c"]), len(kept["d"])) == (900, 10_000)
    assert (kept["a"].count("a"), kept["b"].count("b")) == pytest.approx((44_500, 44_500), rel=0.02)
    assert [path for path, _, _ in cuts] == ["['a']", "['b']"]


def is_said_short(value: Any, limit: int) -> bool:
    try:
        copy = plain_copy(value, limit)
    except NotPlain:
        return False
    answering = Answering()
    assert (to_json(copy), []) == (to_json(answering.json(value, limit)), answering.notes())
    assert type(value) not in (list, dict) or copy is not value
    return True


@given(PLAIN)
def test_what_the_short_way_takes_comes_out_as_the_long_way_has_it(value: Any) -> None:
    is_said_short(value, LIMIT)


@pytest.mark.parametrize("value", [None, True, 0, -1, 1.5, "", "täxt", [], {}, (1, [2]), {"a": {"ö": [None]}}])
def test_plain_data_goes_the_short_way(value: Any) -> None:
    assert is_said_short(value, LIMIT)


@pytest.mark.parametrize(
    "value",
    [
        *(
            float("nan"),
            float("inf"),
            -float("inf"),
            1 << 14_001,
            "\ud800",
            ["\ud800"],
            {"\ud800": 1},
            b"x",
            {1},
            {1: 2},
        ),
        *({None: 1}, {"x" * 10_001: 1}, "x" * 5000, ["x"] * 3000, "ä" * 2100, "\0" * 800, Colour.RED, {Colour.RED: 1}),
        *(OwnText("a"), OwnNumber(1), OwnList([1]), [OwnList()], object(), collections.OrderedDict(a=1), Weight.HEAVY),
    ],
    ids=lambda value: repr(type(value)),
)
def test_what_may_be_more_than_plain_data_goes_the_long_way(value: Any) -> None:
    assert not is_said_short(value, LIMIT)


def test_what_is_deep_or_holds_itself_goes_the_long_way() -> None:
    own: list[Any] = []
    own.append(own)
    assert not is_said_short(own, LIMIT)
    deep: list[Any] = []
    for _ in range(MAX_DEPTH):
        deep = [deep]
    assert not is_said_short(deep, LIMIT)
