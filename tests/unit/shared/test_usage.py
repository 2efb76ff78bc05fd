from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.failure import FailureCode
from shared.domain.lifecycle import State
from shared.domain.pricing import Charge
from shared.domain.usage import (
    EVERYBODY,
    IN,
    MOST_TOKENS,
    Change,
    CounterName,
    Facts,
    Kind,
    changes,
    counted_as,
    merged,
    stored,
)

T0 = datetime(2026, 3, 1, 23, 59, 30, tzinfo=UTC)


def facts(**given: Any) -> Facts:
    fields: dict[str, Any] = {
        "user": "alice",
        "agent_id": "bot",
        "agent_name": "Bot",
        "labels": ("team=a",),
        "submitted": T0,
        "finished": T0 + timedelta(minutes=1),
        "run_ms": 900.0,
        **given,
    }
    return Facts(**fields)


def added(before: str, after: str, **given: Any) -> dict[CounterName, Change]:
    return merged(changes(facts(**given), before, after))


def test_a_submission_counts_in_its_hour_and_an_end_in_its_own() -> None:
    found = added("", State.COMPLETED)
    first, second = datetime(2026, 3, 1, 23, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
    for user in ("alice", EVERYBODY):
        assert found[CounterName(Kind.HOUR, user, first)].add == {"submitted": 1}
        assert found[CounterName(Kind.HOUR, user, second)].add["completed"] == 1
        assert found[CounterName(Kind.DAY, user, first.replace(hour=0))].add == {"submitted": 1}
        assert found[CounterName(Kind.AGENT_DAY, user, second, "bot")].add["tests"] == 1
        assert found[CounterName(Kind.LABEL_DAY, user, second, "team=a")].add["tests"] == 1
        assert found[CounterName(Kind.TOTAL, user, None)].add == {"COMPLETED": 1}


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("", "completed"),
        (FailureCode.CANCELLED, "cancelled"),
        (FailureCode.TIMED_OUT, "timed_out"),
        (FailureCode.AGENT_EXCEPTION, "failed"),
    ],
)
def test_an_outcome_is_told_by_the_failure_also_of_an_archived_test(code: str, outcome: str) -> None:
    for after in (State.FAILED, State.ARCHIVED):
        found = added(IN, after, failure_code=code)
        assert found[CounterName(Kind.AGENT, "alice", None, "bot")].add[outcome] == 1


def test_a_cancelled_test_says_nothing_of_how_its_agent_runs() -> None:
    agent = added(IN, State.FAILED, failure_code=FailureCode.CANCELLED)[CounterName(Kind.AGENT, "alice", None, "bot")]
    assert agent.add == {"cancelled": 1}


def test_what_an_agent_says_cannot_make_a_counter_overflow() -> None:
    """The store refuses a sum of integers above 2**63; a day has room for millions of tests."""
    most: dict[str, Any] = {"input_tokens": 2**53, "output_tokens": 2**53, "peak_memory_bytes": 2**62}
    found = added(IN, State.COMPLETED, **most)
    usage = found[CounterName(Kind.DAY, EVERYBODY, T0.replace(hour=0, minute=0, second=0) + timedelta(days=1))]
    assert (usage.add["input_tokens"], usage.add["output_tokens"]) == (MOST_TOKENS, MOST_TOKENS)
    assert MOST_TOKENS * 9_000_000 < 2**63
    whole = {name: by for change in found.values() for name, by in change.add.items() if isinstance(by, int)}
    assert max(whole.values()) == MOST_TOKENS


def test_archiving_moves_a_total_and_counts_nothing_again() -> None:
    found = added(State.FAILED, State.ARCHIVED)
    assert found == {
        CounterName(Kind.TOTAL, user, None): Change(add={"FAILED": -1, "ARCHIVED": 1}) for user in ("alice", EVERYBODY)
    }


def test_what_is_counted_as_it_stands_changes_nothing() -> None:
    for state in ("COMPLETED", IN):
        assert not added(state, state)


def test_a_kept_object_costs_its_user_its_agent_and_its_labels() -> None:
    found = merged(stored("alice", "bot", ["team=a"], T0, Charge(storage=2.0)))
    assert {(name.kind, name.user) for name in found} == {
        (kind, user) for kind in (Kind.DAY, Kind.AGENT_DAY, Kind.LABEL_DAY) for user in ("alice", EVERYBODY)
    }
    assert all(change.add == {"cost.storage": 2.0} for change in found.values())


@given(st.sampled_from(["COMPLETED", "FAILED", "TIMED_OUT"]), st.lists(st.booleans(), min_size=3, max_size=3))
def test_by_whatever_steps_a_test_is_counted_the_sums_are_the_same(end: str, seen: list[bool]) -> None:
    """A bookkeeper that was away sees only some of the states that a test went through."""
    code = {"COMPLETED": "", "FAILED": FailureCode.AGENT_EXCEPTION, "TIMED_OUT": FailureCode.TIMED_OUT}[end]
    path = [step for step, met in zip([IN, end, "ARCHIVED"], seen, strict=True) if met or step == "ARCHIVED"]
    sums: dict[CounterName, Counter[str]] = {}
    before = ""
    for step in path:
        for name, change in changes(facts(failure_code=code), before, step):
            sums.setdefault(name, Counter()).update(change.add)
        before = step
    straight = merged(changes(facts(failure_code=code), "", "ARCHIVED"))
    assert {name: {k: v for k, v in sums[name].items() if v} for name in sums} == {
        name: {k: v for k, v in change.add.items() if v} for name, change in straight.items()
    }


def test_only_the_end_and_the_archive_are_told_apart() -> None:
    assert [counted_as(state) for state in State] == [IN, IN, IN, IN, "COMPLETED", "FAILED", "TIMED_OUT", "ARCHIVED"]
