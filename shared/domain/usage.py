"""What one test adds to the counters of usage and cost: pure, from facts about it to changes of counters.

A counter is named by its kind, its user (or everybody), the start of its hour or day, and a key. The same facts give
the same changes, so that a batch that broke off is done again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from shared.domain.distribution import bucket
from shared.domain.failure import FailureCode
from shared.domain.lifecycle import ENDED, State
from shared.domain.pricing import Charge

EVERYBODY: Final = "*"
"""Takes the place of a user; no user id has such a character."""
IN: Final = "IN"
"""How a test is counted that was handed in and has not ended."""
MOST_TOKENS: Final = 10**12
"""What a test can add of each kind of tokens, since the agent says how many there were: a day's counter has room for
nine million of these."""
FREE: Final = Charge()


class Kind(StrEnum):
    """What a counter counts."""

    HOUR = "hour"
    """usage in an hour"""
    DAY = "day"
    """usage and cost in a day"""
    AGENT_DAY = "agent-day"
    """cost of an agent in a day"""
    LABEL_DAY = "label-day"
    """cost of a label's value in a day; the key is `label=value`"""
    AGENT = "agent"
    """how all tests of an agent went"""
    TOTAL = "total"
    """ended tests by state"""


class CounterName(NamedTuple):
    """Which counter. `start` is None for those that never end."""

    kind: Kind
    user: str
    start: datetime | None
    key: str = ""


@dataclass(slots=True)
class Change:
    """What is done to one counter: fields to add to, to lower, to raise and to set."""

    add: dict[str, float] = field(default_factory=dict)
    low: dict[str, float] = field(default_factory=dict)
    high: dict[str, Any] = field(default_factory=dict)
    put: dict[str, Any] = field(default_factory=dict)

    def more(self, name: str, by: float = 1) -> None:
        self.add[name] = self.add.get(name, 0) + by

    def value(self, name: str, value: float | None) -> None:
        """One more value of a distribution; None: there was none."""
        if value is None:
            return
        self.more(f"{name}.count")
        self.more(f"{name}.sum", float(value))  # never an integer, which could overflow in the store
        self.more(f"{name}.buckets.{bucket(value)}")
        self.low[f"{name}.least"] = min(value, self.low.get(f"{name}.least", value))
        self.high[f"{name}.most"] = max(value, self.high.get(f"{name}.most", value))

    def charge(self, charge: Charge) -> None:
        for name, dollars in charge._asdict().items():
            if dollars:
                self.more(f"cost.{name}", dollars)


@dataclass(frozen=True, slots=True)
class Facts:
    """A test as the counters see it."""

    user: str
    agent_id: str
    agent_name: str
    labels: tuple[str, ...]
    """`key=value`"""
    submitted: datetime
    finished: datetime | None = None
    failure_code: str = ""
    run_ms: float | None = None
    queue_ms: float | None = None
    build_ms: float | None = None
    """Only where there was something to install."""
    peak_memory_bytes: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    charge: Charge = FREE

    @property
    def outcome(self) -> str:
        """The field that counts how it ended."""
        if not self.failure_code:
            return "completed"
        if self.failure_code == FailureCode.CANCELLED:
            return "cancelled"
        return "timed_out" if self.failure_code == FailureCode.TIMED_OUT else "failed"


def counted_as(state: State) -> str:
    """How a test in this state is to be counted."""
    return state if state in ENDED else IN


def changes(facts: Facts, before: str, after: str) -> Iterator[tuple[CounterName, Change]]:
    """What is to be done so that a test which was counted as `before` (empty: not at all) is counted as `after`."""
    for user in (facts.user, EVERYBODY):
        if not before:
            yield from _handed_in(facts, user)
        if after != IN and before in {"", IN}:
            yield from _ended(facts, user)
        total = Change()
        if before not in {"", IN} and before != after:
            total.more(before, -1)
        if after not in {IN, before}:
            total.more(after)
        if total.add:
            yield CounterName(Kind.TOTAL, user, None), total


def stored(
    user: str, agent_id: str, labels: Iterable[str], at: datetime, charge: Charge
) -> Iterator[tuple[CounterName, Change]]:
    """What is to be done for an object that is kept: a deployment package."""
    for scope in (user, EVERYBODY):
        for name in _days(scope, agent_id, labels, at):
            change = Change()
            change.charge(charge)
            yield name, change


def merged(all_changes: Iterable[tuple[CounterName, Change]]) -> dict[CounterName, Change]:
    """One change for each counter."""
    found: dict[CounterName, Change] = {}
    for name, change in all_changes:
        into = found.setdefault(name, Change())
        for key, by in change.add.items():
            into.more(key, by)
        for key, low in change.low.items():
            into.low[key] = min(low, into.low.get(key, low))
        for key, high in change.high.items():
            into.high[key] = max(high, into.high.get(key, high))
        into.put |= change.put
    return found


def hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def day(at: datetime) -> datetime:
    return hour(at).replace(hour=0)


def _handed_in(facts: Facts, user: str) -> Iterator[tuple[CounterName, Change]]:
    for kind, start in ((Kind.HOUR, hour(facts.submitted)), (Kind.DAY, day(facts.submitted))):
        change = Change()
        change.more("submitted")
        yield CounterName(kind, user, start), change
    agent = Change(high={"last_submitted": facts.submitted}, put={"agent_name": facts.agent_name})
    yield CounterName(Kind.AGENT, user, None, facts.agent_id), agent


def _ended(facts: Facts, user: str) -> Iterator[tuple[CounterName, Change]]:
    at = facts.finished or facts.submitted
    usage = Change()
    usage.more(facts.outcome)
    usage.value("run_ms", facts.run_ms)
    usage.value("queue_ms", facts.queue_ms)
    for field_name, tokens in (("input_tokens", facts.input_tokens), ("output_tokens", facts.output_tokens)):
        if tokens:
            usage.more(field_name, min(tokens, MOST_TOKENS))
    yield CounterName(Kind.HOUR, user, hour(at)), usage
    yield CounterName(Kind.DAY, user, day(at)), usage
    for name in _days(user, facts.agent_id, facts.labels, at):
        cost = Change()
        cost.more("tests")
        cost.charge(facts.charge)
        yield name, cost
    agent = Change()
    agent.more(facts.outcome)
    if facts.outcome != "cancelled":
        agent.value("run_ms", facts.run_ms)
        agent.value("build_ms", facts.build_ms)
        agent.value("peak_memory_bytes", facts.peak_memory_bytes)
    yield CounterName(Kind.AGENT, user, None, facts.agent_id), agent


def _days(user: str, agent_id: str, labels: Iterable[str], at: datetime) -> Iterator[CounterName]:
    start = day(at)
    yield CounterName(Kind.DAY, user, start)
    yield CounterName(Kind.AGENT_DAY, user, start, agent_id)
    for label in labels:
        yield CounterName(Kind.LABEL_DAY, user, start, label)
