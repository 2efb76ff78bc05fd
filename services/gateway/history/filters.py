"""What a TestFilter means: a pure decision from the message to conditions, with every bad field told at once."""

from __future__ import annotations

from typing import Final

from assay.v1 import test_service_pb2
from services.gateway.caller import Caller
from services.gateway.errors import Violations
from services.gateway.history.scope import check_user_id, scope
from services.gateway.times import moment
from services.gateway.translate import STATE_OF
from shared.domain.facets import words
from shared.domain.failure import FailureCode
from shared.domain.lifecycle import State
from shared.ids import UserId
from shared.store.listing import Wanted

LONGEST_TEXT: Final = 200
LONGEST_AGENT_ID: Final = 64
LONGEST_PROVIDER: Final = 64
LONGEST_KEY: Final = 63
LONGEST_VALUE: Final = 255
MOST_LABELS: Final = 32


def wanted_by(given: test_service_pb2.TestFilter, caller: Caller, violations: Violations) -> Wanted:
    """The tests that this caller means. Users mean their own, whatever they write; admins everybody's or one user's."""
    check_user_id(given.user_id, "filter.user_id", violations)
    if given.own and given.user_id:
        violations.add("filter.own", "goes without user_id only")
    for place, number in enumerate(given.states):
        if number not in STATE_OF:
            violations.add(f"filter.states[{place}]", "is not a state")
    if given.failure_code and given.failure_code not in FailureCode.__members__.values():
        violations.add("filter.failure_code", f"must be one of {', '.join(sorted(FailureCode))}")
    for name, text, most in (
        ("agent_id", given.agent_id, LONGEST_AGENT_ID),
        ("provider", given.provider, LONGEST_PROVIDER),
        ("text", given.text, LONGEST_TEXT),
    ):
        if len(text) > most:
            violations.add(f"filter.{name}", f"is longer than {most} characters")
    if given.text and not words(given.text):
        violations.add("filter.text", "has no word in it: letters, digits and _ are searched for")
    _check_labels(given, violations)
    submitted_from = moment(given, "submitted_from", "filter.submitted_from", violations)
    submitted_before = moment(given, "submitted_before", "filter.submitted_before", violations)
    if submitted_from and submitted_before and submitted_from >= submitted_before:
        violations.add("filter.submitted_before", "must be later than submitted_from")
    return Wanted(
        user_id=_user(given, caller, violations),
        states=_states(given),
        agent_id=given.agent_id,
        labels=tuple(sorted(given.labels.items())),
        provider=given.provider,
        failure_code=given.failure_code,
        submitted_from=submitted_from,
        submitted_before=submitted_before,
        words=tuple(words(given.text)),
    )


def _user(given: test_service_pb2.TestFilter, caller: Caller, violations: Violations) -> UserId | None:
    if given.own or violations.found:
        return caller.user_id
    return scope(given.user_id, caller, "tests")


def _states(given: test_service_pb2.TestFilter) -> frozenset[State]:
    chosen = frozenset(STATE_OF[number] for number in given.states if number in STATE_OF)
    if chosen:
        return chosen | ({State.ARCHIVED} if given.include_archived else frozenset())
    return frozenset(State) if given.include_archived else frozenset(State) - {State.ARCHIVED}


def _check_labels(given: test_service_pb2.TestFilter, violations: Violations) -> None:
    if len(given.labels) > MOST_LABELS:
        violations.add("filter.labels", f"are more than {MOST_LABELS}")
    for key, value in given.labels.items():
        if not key:
            violations.add("filter.labels", "has a label without a key")
        elif len(key) > LONGEST_KEY or len(value) > LONGEST_VALUE:
            violations.add("filter.labels", f"has a key over {LONGEST_KEY} or a value over {LONGEST_VALUE} characters")
