"""Resume tokens: what was seen is not told again, and a position of something else says nothing."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.console.events.feeds import BadQuery, Feed, parse
from services.console.events.positions import MOST_CHARACTERS, Positions


def feeds(*names: str, **more: Any) -> list[Feed]:
    return parse(json.dumps([{"id": name, "kind": "log", "testId": "tst_1", **more} for name in names]))


@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z0-9_-]{1,32}", fullmatch=True), st.integers(0, 2**63 - 2), min_size=1, max_size=16
    )
)
def test_a_token_says_how_far_each_feed_has_come(reached: dict[str, int]) -> None:
    followed = feeds(*reached)
    before = Positions(followed, "")
    for name, position in reached.items():
        before.move(name, position)
    assert len(before.token) <= MOST_CHARACTERS
    after = Positions(followed, before.token)
    assert {name: after.of(name) for name in reached} == reached
    assert after.token == before.token


def test_a_feed_begins_where_the_page_says_when_it_was_not_followed_before() -> None:
    assert Positions(feeds("l", fromSeq="10"), "").of("l") == 9
    assert Positions(feeds("l", fromSeq="0"), "").of("l") == 0


def test_a_position_counts_only_for_a_feed_that_shows_the_same() -> None:
    before = Positions(feeds("l"), "")
    before.move("l", 100)
    assert Positions(feeds("l", text="error"), before.token).of("l") == 0
    assert Positions(feeds("other"), before.token).of("other") == 0
    assert Positions(feeds("l", fromSeq="1"), before.token).of("l") == 100
    assert Positions(feeds("l", fromSeq="500"), before.token).of("l") == 499


@pytest.mark.parametrize(
    "token",
    [
        "l=1",
        "l.5f0c3a9e=",
        "l.5f0c3a9e=-1",
        "l.5f0c3a9e=1;",
        "l.5f0c3a9e=1;;",
        "l.5f0c3a9e=١",
        "l.5f0c3a9e=1\n",
        "x" * 5_000,
    ],
)
def test_a_token_that_was_not_made_here_is_refused_since_lines_would_come_twice(token: str) -> None:
    with pytest.raises(BadQuery) as refused:
        Positions(feeds("l"), token)
    assert refused.value.violations[0].field == "lastEventId"


def test_numbers_beyond_int64_do_no_harm() -> None:
    before = Positions(feeds("l"), "")
    before.move("l", 1)
    assert Positions(feeds("l"), before.token[:-1] + "9" * 19).of("l") == 2**63 - 2
