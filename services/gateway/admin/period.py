"""The time that a report is about: from the request to two moments."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from google.protobuf.message import Message

from services.gateway.errors import Violations
from services.gateway.times import moment


class Period(NamedTuple):
    """From `since` on, before `before`."""

    since: datetime
    before: datetime


def period(request: Message, now: datetime, usual: timedelta, violations: Violations) -> Period:
    """`from_time` to `to_time` of the request; what is not set is `usual` long, and ends now."""
    before = moment(request, "to_time", "to_time", violations) or now
    since = moment(request, "from_time", "from_time", violations)
    if since is None:
        try:
            since = before - usual
        except OverflowError:
            violations.add("to_time", "is too early")
            since = before
    if since >= before and not violations.found:
        if request.HasField("to_time"):
            violations.add("to_time", "must be later than from_time")
        else:
            violations.add("from_time", "is in the future; there is nothing to report yet")
    return Period(since, before)
