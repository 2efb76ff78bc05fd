"""Times in requests: from what a client wrote to a moment, or to a word on what is wrong with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from services.gateway.errors import Violations


def moment(message: Message, name: str, field: str, violations: Violations) -> datetime | None:
    """The time in this field; None where it is not set, or is none (`field` is what the client calls it)."""
    if not message.HasField(name):
        return None
    stamp: Timestamp = getattr(message, name)
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        violations.add(field, "is not a time from the year 1 to 9999")
        return None


def span(message: Message, name: str, field: str, violations: Violations) -> timedelta | None:
    """The duration in this field; None where it is not set, or is below zero."""
    if not message.HasField(name):
        return None
    duration: Duration = getattr(message, name)
    try:
        found = duration.ToTimedelta()
    except (ValueError, OverflowError):
        found = timedelta(-1)
    if found < timedelta():
        violations.add(field, "must be a duration of 0 or more")
        return None
    return found
