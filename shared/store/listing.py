"""How a list of tests is read: which conditions an index answers, which ones are left to look at, and in what order.

Pure: from what is wanted to filters, sorts and the names of indexes. `history.py` asks the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from pymongo import ASCENDING, DESCENDING

from shared.clock import shifted
from shared.domain import facets
from shared.domain.lifecycle import State
from shared.ids import TestId, UserId, first_test_id
from shared.store.documents import Document

RUN_MS: Final = "result.metrics.run_ms"
LIFE: Final = tuple(State)
"""The states in the order of life."""
FAILED: Final = frozenset({State.FAILED, State.TIMED_OUT, State.ARCHIVED})
"""The states of tests that have a failure."""
MARGIN: Final = timedelta(seconds=2)
"""An id is made just before the time of submission is read; a range of times reaches so far beyond in ids."""


class Order(StrEnum):
    """Order of a list."""

    NEWEST = "NEWEST"
    OLDEST = "OLDEST"
    STATE = "STATE"
    RUN_TIME = "RUN_TIME"


class Place(NamedTuple):
    """The last test that was seen: where a list goes on."""

    leg: int
    test_id: TestId
    run_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tests. What is empty or None is no condition; all others must hold."""

    user_id: UserId | None = None
    states: frozenset[State] = frozenset(State)
    agent_id: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    """Key and value; an empty value: the label exists."""
    provider: str = ""
    failure_code: str = ""
    submitted_from: datetime | None = None
    submitted_before: datetime | None = None
    words: tuple[str, ...] = ()
    finished_before: datetime | None = None

    @property
    def facets(self) -> tuple[str, ...]:
        """Those that the array of facets answers, the agent left out."""
        return (
            *(facets.of_label(key, value) for key, value in self.labels),
            *([facets.of_provider(self.provider)] if self.provider else []),
            *(facets.of_word(word) for word in self.words),
        )


class Leg(NamedTuple):
    """A stretch of the list that one index has in its order. The list is its legs, one after the other."""

    states: frozenset[State]
    by_run_time: bool = False
    """Those that ran, longest first; else by the time of submission."""
    newest_first: bool = True
    ran: bool = True
    """Else only those that did not."""


class Way(NamedTuple):
    """One way to read a leg: an index, what it answers, and what is left to look at in the documents."""

    by: str
    """Name of the index."""
    match: Document
    rest: Document


def legs(wanted: Wanted, order: Order) -> list[Leg]:
    """The stretches of a list in this order; none, where no test can match."""
    states = wanted.states & FAILED if wanted.failure_code else wanted.states
    match order:
        case _ if not states:
            return []
        case Order.STATE:
            return [Leg(frozenset({state})) for state in LIFE if state in states]
        case Order.RUN_TIME:
            return [Leg(states, by_run_time=True), Leg(states, ran=False)]
        case Order.OLDEST:
            return [Leg(states, newest_first=False)]
        case _:
            return [Leg(states)]


def ways(wanted: Wanted, leg: Leg) -> list[Way]:
    """The ways to read this leg, the plainest first. Each has an index that gives its tests in the order of the leg; by
    run time, only the first one has, and the others are for few tests that are sorted afterwards."""
    scope: Document = {} if wanted.user_id is None else {"user_id": wanted.user_id}
    user = "user_" if scope else ""
    narrowed = leg.states != frozenset(State)
    states: Document = {"state": {"$in": sorted(leg.states)}} if narrowed else {}
    found = [_by_run_time(wanted, leg)] if leg.by_run_time else []
    if wanted.agent_id and user:
        given = scope | {"agent_id": wanted.agent_id, "state": {"$in": sorted(leg.states)}}
        return [*found, _way(wanted, leg, "user_agent_state", given), *_by_facets(wanted, leg, scope, user)]
    if narrowed or not leg.by_run_time:
        by_state = ("user_state" if user else "state_newest") if narrowed else _newest(user)
        found.append(_way(wanted, leg, by_state, scope | states))
    if wanted.agent_id:
        found.append(_way(wanted, leg, "facets", scope | {"facets": facets.of_agent(wanted.agent_id)}))
    return [*found, *_by_facets(wanted, leg, scope, user)]


def _by_facets(wanted: Wanted, leg: Leg, scope: Document, user: str) -> list[Way]:
    found = [_way(wanted, leg, f"{user}facets", scope | {"facets": facet}) for facet in wanted.facets]
    if wanted.failure_code:
        found.append(_way(wanted, leg, f"{user}failure", scope | {"failure.code": wanted.failure_code}))
    return found


def _by_run_time(wanted: Wanted, leg: Leg) -> Way:
    if wanted.user_id is None:
        return _way(wanted, leg, "run_time", {RUN_MS: {"$gte": 0}})
    match: Document = {"user_id": wanted.user_id, RUN_MS: {"$gte": 0}}
    if wanted.agent_id:
        return _way(wanted, leg, "user_agent_run_time", match | {"agent_id": wanted.agent_id})
    return _way(wanted, leg, "user_run_time", match)


def _newest(user: str) -> str:
    return "user_newest" if user else "_id_"


def _way(wanted: Wanted, leg: Leg, index: str, match: Document) -> Way:
    """The way that answers `match` by its index; everything else that is wanted is the rest."""
    rest: Document = {}
    if "state" not in match and leg.states != frozenset(State):
        rest["state"] = {"$in": sorted(leg.states)}
    if wanted.agent_id and "agent_id" not in match and match.get("facets") != facets.of_agent(wanted.agent_id):
        rest["agent_id"] = wanted.agent_id
    if wanted.failure_code and "failure.code" not in match:
        rest["failure.code"] = wanted.failure_code
    if others := [facet for facet in wanted.facets if facet != match.get("facets")]:
        rest["facets"] = {"$all": others}
    if not leg.ran:
        rest[RUN_MS] = None
    if leg.by_run_time and RUN_MS not in match:
        rest[RUN_MS] = {"$gte": 0}
    if wanted.finished_before is not None:
        rest["times.finished"] = {"$lt": wanted.finished_before}
    return Way(index, match, rest)


def span(wanted: Wanted) -> Document:
    """The range of times, which every way can have: exact by the time, and by the id as far as an index needs it."""
    ids: Document = {}
    times: Document = {}
    if wanted.submitted_from is not None:
        ids["$gte"] = first_test_id(shifted(wanted.submitted_from, -MARGIN))
        times["$gte"] = wanted.submitted_from
    if wanted.submitted_before is not None:
        ids["$lt"] = first_test_id(shifted(wanted.submitted_before, MARGIN))
        times["$lt"] = wanted.submitted_before
    return ({"_id": ids} if ids else {}) | ({"times.submitted": times} if times else {})


def behind(leg: Leg, after: Place) -> Sequence[Document]:
    """The conditions that leave out what the list has had up to this place of the leg."""
    return _side(leg, after, ids="$lt" if leg.newest_first else "$gt", run_ms="$lt")


def before(leg: Leg, end: Place) -> Sequence[Document]:
    """The conditions for what the list has up to this place of the leg, the place included."""
    return _side(leg, end, ids="$gte" if leg.newest_first else "$lte", run_ms="$gt")


def _side(leg: Leg, place: Place, *, ids: str, run_ms: str) -> Sequence[Document]:
    beyond = {"_id": {ids: place.test_id}}
    if not leg.by_run_time:
        return [beyond]
    # The first condition is for the bounds of the index, the second one for those that ran as long.
    return [
        {RUN_MS: {f"{run_ms}e": place.run_ms}},
        {"$or": [{RUN_MS: {run_ms: place.run_ms}}, {RUN_MS: place.run_ms, **beyond}]},
    ]


def sort(leg: Leg) -> Document:
    """As `$sort` has it."""
    way = DESCENDING if leg.newest_first else ASCENDING
    return {RUN_MS: DESCENDING, "_id": way} if leg.by_run_time else {"_id": way}
