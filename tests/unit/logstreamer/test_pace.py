"""How often a group is looked at, and whom a look asks for that may not be there."""

from __future__ import annotations

from typing import Any

import pytest

from services.logstreamer.sources.cloudwatch.pace import LONGEST_S, Pace
from services.logstreamer.sources.cloudwatch.scouting import LONGEST_WAIT_S, Scouting, wait_s

PACE = Pace(usual_s=2.0, fastest_s=0.5, slowest_s=5.0)

LOOKS: dict[str, tuple[dict[str, Any], float]] = {
    "lines flow": ({"quiet_for_s": 0.0}, 0.5),
    "lines flow, with pauses": ({"quiet_for_s": 1.9}, 0.5),
    "a moment without lines": ({"quiet_for_s": 3.0}, 2.0),
    "half a minute without lines": ({"quiet_for_s": 30.0}, 5.0),
    "a task is about to start": ({"quiet_for_s": 30.0, "starting": True}, 2.0),
    "a task that has ended is drained": ({"quiet_for_s": 30.0, "hurry": True}, 0.5),
    "lines flow from five hundred streams": ({"quiet_for_s": 0.0, "calls": 5}, 1.25),
    "a look of many pages": ({"quiet_for_s": 0.0, "calls": 20}, 5.0),
    "calls that the usual pace allows": ({"quiet_for_s": 3.0, "calls": 8}, 2.0),
}


@pytest.mark.parametrize(("look", "pause_s"), LOOKS.values(), ids=LOOKS.keys())
def test_the_pace_follows_the_flow_and_never_makes_more_than_four_calls_a_second(
    look: dict[str, Any], pause_s: float
) -> None:
    look = {"hurry": False, "starting": False, "calls": 1, **look}
    assert PACE.after(**look) == pause_s
    assert look["calls"] / pause_s <= 4


def test_who_is_refused_asks_less_and_less_often_but_never_stops() -> None:
    assert [PACE.after_refusal(n) for n in (1, 2, 3, 4, 5, 5_000)] == [4, 8, 16, LONGEST_S, LONGEST_S, LONGEST_S]


def asked(missing: set[int], count: int) -> tuple[list[int], int]:
    """Whom it finds of `count` streams, each asked for until it is found or missing alone, and in how many calls."""
    scouting, unknown, found, calls = Scouting(), list(range(count)), list[int](), 0
    while unknown:
        group = list(scouting.group(unknown))
        calls += 1
        assert 1 <= len(group) <= 100
        if missing.isdisjoint(group):
            found += group
            scouting.found(len(group))
        else:
            scouting.missing(len(group))
            if len(group) > 1:
                continue
        unknown = [one for one in unknown if one not in group]
    return found, calls


@pytest.mark.parametrize(
    ("missing", "most_calls"),
    [(set(), 8), ({0}, 9), ({50}, 24), ({99}, 20), ({20, 60}, 32), (set(range(100)), 100)],
    ids=["none", "the first", "one in the middle", "the last", "two", "all"],
)
def test_a_missing_stream_hides_no_other_and_few_calls_find_them(missing: set[int], most_calls: int) -> None:
    found, calls = asked(missing, 100)
    assert found == [one for one in range(100) if one not in missing]
    assert calls <= most_calls


def test_a_stream_that_stays_missing_is_asked_for_again_for_ever() -> None:
    assert [wait_s(n) for n in (0, 1, 2, 3, 4, 10_000)] == [0.5, 1, 2, LONGEST_WAIT_S, LONGEST_WAIT_S, LONGEST_WAIT_S]
