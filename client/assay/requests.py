"""Arguments of the SDK's methods as messages of the API. Pure; the server says what is valid, this only translates."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from assay.logs import LogLevel, LogStream
from assay.tests import TestOrder, TestState
from assay.v1 import log_pb2, test_pb2, test_service_pb2

ARCHIVE_S = 600.0  # putting away many thousand tests takes minutes


class FilterOptions(TypedDict, total=False):
    """Which tests. Conditions are joined by "and"; dates may be datetimes or how long ago.

    labels: with these values; an empty value: the label exists, whatever its value.
    since, until: submitted at this time or later, submitted before this time.
    text: these words appear in the name or query, whatever their case. user_id: only admins may name
    others. own: for admins, only their own.
    """

    states: Iterable[TestState | str]
    agent_id: str
    labels: Mapping[str, str]
    provider: str
    failure_code: str
    since: datetime | timedelta
    until: datetime | timedelta
    text: str
    user_id: str
    own: bool


class ListOptions(FilterOptions, total=False):
    """Which tests, in which order. page_token: go on where an earlier page ended. totals: count all of one's tests by
    state, too, whatever the conditions."""

    include_archived: bool
    order: TestOrder | str
    page_size: int
    page_token: str
    totals: bool


def list_tests(options: ListOptions) -> test_service_pb2.ListTestsRequest:
    chosen = _filter(options)
    chosen.include_archived = options.get("include_archived", False)
    return test_service_pb2.ListTestsRequest(
        page_size=options.get("page_size", 0),
        page_token=options.get("page_token", ""),
        filter=chosen,
        order=number(test_service_pb2.TestOrder, "TEST_ORDER_", options.get("order") or TestOrder.NEWEST),
        include_totals=options.get("totals", False),
    )


def archive(
    test_ids: Iterable[str],
    older_than: timedelta | None,
    options: FilterOptions,
    *,
    everybody: bool,
    validate_only: bool,
) -> test_service_pb2.ArchiveTestsRequest:
    return test_service_pb2.ArchiveTestsRequest(
        test_ids=test_ids,
        older_than=None if older_than is None else duration(older_than),
        filter=_filter(options) if options else None,  # named tests and conditions exclude each other
        validate_only=validate_only,
        everybody=everybody,
    )


def _filter(options: FilterOptions | ListOptions) -> test_service_pb2.TestFilter:
    chosen = test_service_pb2.TestFilter(
        states=[number(test_pb2.TestState, "TEST_STATE_", state) for state in options.get("states", ())],
        agent_id=options.get("agent_id", ""),
        labels=options.get("labels"),
        provider=options.get("provider", ""),
        failure_code=options.get("failure_code", ""),
        text=options.get("text", ""),
        user_id=options.get("user_id", ""),
        own=options.get("own", False),
    )
    if "since" in options:
        chosen.submitted_from.CopyFrom(timestamp(options["since"]))
    if "until" in options:
        chosen.submitted_before.CopyFrom(timestamp(options["until"]))
    return chosen


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines, whatever their numbers."""

    text: str
    match_case: bool
    min_level: LogLevel | str | None
    streams: tuple[LogStream | str, ...]

    def fields(self) -> dict[str, Any]:
        """Raises ValueError for a level or stream that there is not."""
        return {
            "text": self.text,
            "match_case": self.match_case,
            "min_level": number(log_pb2.LogLevel, "LOG_LEVEL_", self.min_level) if self.min_level else None,
            "streams": [number(log_pb2.LogStream, "LOG_STREAM_", stream) for stream in self.streams],
        }


@dataclass(frozen=True, slots=True)
class LogSelection:
    """Which lines of which test."""

    test_id: str
    follow: bool
    tail: int | None
    filter: LogFilter

    def stream_request(self, from_seq: int, *, partials: bool = False) -> test_service_pb2.StreamLogsRequest:
        return test_service_pb2.StreamLogsRequest(
            test_id=self.test_id,
            from_seq=from_seq,
            follow=self.follow,
            partial_lines=partials,
            **self.filter.fields(),
        )

    def tail_request(self) -> test_service_pb2.GetLogsRequest:
        tail = self.tail or 0
        return test_service_pb2.GetLogsRequest(test_id=self.test_id, tail=tail, page_size=tail, **self.filter.fields())


def search_logs(test_id: str, from_seq: int, step: int, wanted: LogFilter) -> test_service_pb2.SearchLogsRequest:
    return test_service_pb2.SearchLogsRequest(test_id=test_id, from_seq=from_seq, step=step, **wanted.fields())


def duration(value: float | timedelta) -> Duration:
    """Seconds, or a timedelta. Raises ValueError for what is not a finite number."""
    try:
        span = value if isinstance(value, timedelta) else timedelta(seconds=value)
    except OverflowError as error:
        raise ValueError(f"{value} seconds is too long") from error
    message = Duration()
    message.FromTimedelta(span)
    return message


def retry(test_id: str, query: str | None, request_id: str | None) -> test_service_pb2.RetryTestRequest:
    return test_service_pb2.RetryTestRequest(test_id=test_id, query=query, request_id=request_id or str(uuid.uuid4()))


def chain(test_id: str) -> test_service_pb2.GetRetryChainRequest:
    return test_service_pb2.GetRetryChainRequest(test_id=test_id, view=test_pb2.TEST_VIEW_RESULT)


def timestamp(value: datetime | timedelta) -> Timestamp:
    """A time, or how long ago. A datetime without a zone is local time, as everywhere in Python."""
    moment = value if isinstance(value, datetime) else datetime.now(UTC) - value
    message = Timestamp()
    message.FromDatetime(moment.astimezone(UTC))
    return message


def number(wrapper: Any, prefix: str, name: str) -> Any:
    """The number of an enum value by its short name. Raises ValueError with the names there are."""
    full = prefix + name.upper()
    if full not in wrapper.keys() or full.endswith("_UNSPECIFIED"):  # noqa: SIM118 - not a dict
        known = ", ".join(key.removeprefix(prefix) for key in wrapper.keys() if not key.endswith("_UNSPECIFIED"))  # noqa: SIM118
        raise ValueError(f"{name!r} is none of {known}")
    return wrapper.Value(full)
