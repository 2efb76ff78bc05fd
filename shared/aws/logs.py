"""CloudWatch Logs: what tasks wrote, read for up to a hundred streams in one call.

Knows the paging of FilterLogEvents; must not know what a line means or how often one should look. Loading it does not
load boto3: who has no `Aws` has no use for it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from shared.aws.rates import Api

if TYPE_CHECKING:
    from shared.aws.connect import Aws

MOST_STREAMS: Final = 100  # API reference FilterLogEvents: logStreamNames, 1 to 100 items
MOST_EVENTS: Final = 10_000  # as above: limit, the default; or 1 MB, whichever comes first


class LogEvent(NamedTuple):
    """One event of a stream."""

    stream: str
    id: str
    """Unique within the group. AWS's are numbers of 56 digits."""
    at_ms: int
    """When the log driver read it, milliseconds since 1970."""
    text: str


class LogPage(NamedTuple):
    """A part of an answer."""

    events: list[LogEvent]
    """By time stamp, those of all streams mixed. An empty page is not the end."""
    token: str | None
    """Where the next page is; None at the end."""


async def page(aws: Aws, group: str, streams: Sequence[str], *, start_ms: int, token: str | None = None) -> LogPage:
    """One page of what these streams, at most MOST_STREAMS, have from `start_ms` on, that instant included. Raises
    AwsError: NOT_FOUND for all of them where one of them, or the group, does not exist."""
    more: Any = {"nextToken": token} if token else {}
    answer = await aws.call(
        Api.FILTER_LOG_EVENTS,
        aws.logs.filter_log_events,
        logGroupName=group,
        logStreamNames=[*streams],
        startTime=max(0, start_ms),
        limit=MOST_EVENTS,
        **more,
    )
    return LogPage([_event(found) for found in answer.get("events", [])], answer.get("nextToken"))


async def pages(aws: Aws, group: str, streams: Sequence[str], *, start_ms: int) -> AsyncGenerator[list[LogEvent]]:
    """Page after page to the end. Raises AwsError."""
    token: str | None = None
    while True:
        events, token = await page(aws, group, streams, start_ms=start_ms, token=token)
        yield events
        if token is not None:
            continue
        if len(events) < MOST_EVENTS:
            return
        # AWS has a token where there is more. An emulator has none: go on from the last instant, which may come twice.
        # More events in one millisecond than a page holds would be read for ever.
        start_ms = max(start_ms + 1, events[-1].at_ms)


def _event(found: Mapping[str, Any]) -> LogEvent:
    return LogEvent(found["logStreamName"], found["eventId"], found["timestamp"], found["message"])
