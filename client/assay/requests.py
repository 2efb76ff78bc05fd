"""Arguments of the SDK's methods as messages of the API. Pure; the server says what is valid, this only translates."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypedDict

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from assay.logs import LogLevel, LogStream
from assay.tests import Model, TestOrder, TestState
from assay.v1 import log_pb2, test_pb2, test_service_pb2

Source = str | os.PathLike[str]
ARCHIVE_S = 600.0  # putting away many thousand tests takes minutes
_COMMON_NAMES = frozenset({"agent", "main", "app", "__init__", "__main__"})


class SubmitOptions(TypedDict, total=False):
    """What may be said about a test beside its code and its query. All of it has a default on the server.

    requirements: names with versions as in requirements.txt, or the path of such a file.
    entrypoint: `module:name` of what is called.
    timeout: of the run, in seconds or as a timedelta. cpu: in vCPU. memory_mib: in MiB.
    network=False: the agent runs without network.
    priority: 0 (last) to 9 (first).
    dockerfile: text, or a path.
    request_id: repeat a submission with the same id and there is still one test; made up when not given.
    validate_only: check everything and make nothing.
    """

    requirements: Iterable[str] | os.PathLike[str]
    entrypoint: str
    name: str
    agent_id: str
    agent_name: str
    dockerfile: Source
    env: Mapping[str, str]
    secret_refs: Mapping[str, str]
    model: Model | str
    timeout: float | timedelta
    priority: int
    cpu: float
    memory_mib: int
    network: bool
    labels: Mapping[str, str]
    request_id: str
    validate_only: bool


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


def submit(agent: Source, query: str, options: SubmitOptions) -> test_service_pb2.SubmitTestRequest:
    """`agent` is source code as text, or the path of a file with it."""
    spec = test_pb2.TestSpec(
        agent_code=_text(agent),
        query=query,
        name=options.get("name", ""),
        agent_id=options.get("agent_id", ""),
        agent_name=options.get("agent_name") or (agent_name_of(Path(agent)) if isinstance(agent, os.PathLike) else ""),
        requirements=_requirements(options.get("requirements", ())),
        dockerfile=_text(options.get("dockerfile", "")),
        entrypoint=options.get("entrypoint", ""),
        env=options.get("env"),
        secret_refs=options.get("secret_refs"),
        labels=options.get("labels"),
    )
    if model := options.get("model"):
        chosen = Model.parse(model) if isinstance(model, str) else model
        spec.model.CopyFrom(
            test_pb2.ModelSetting(
                provider=chosen.provider, model_id=chosen.model_id, base_url=chosen.base_url, region=chosen.region
            )
        )
    if "timeout" in options:
        spec.timeout.CopyFrom(duration(options["timeout"]))
    if "priority" in options:
        spec.priority = options["priority"]
    if "cpu" in options:
        spec.resources.cpu = options["cpu"]
    if "memory_mib" in options:
        spec.resources.memory_mib = options["memory_mib"]
    if not options.get("network", True):
        spec.network = test_pb2.NETWORK_ACCESS_NONE
    return test_service_pb2.SubmitTestRequest(
        spec=spec,
        request_id=options.get("request_id") or str(uuid.uuid4()),
        validate_only=options.get("validate_only", False),
    )


def agent_name_of(path: Path) -> str:
    """What to call the agent in this file: by the file, or by its folder where every agent's file is called so."""
    return (path.stem not in _COMMON_NAMES and path.stem) or path.resolve().parent.name or path.stem


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
class LogSelection:
    """Which lines of which test. Raises ValueError for a level or stream that there is not."""

    test_id: str
    follow: bool
    tail: int | None
    min_level: LogLevel | str | None
    streams: tuple[LogStream | str, ...]

    def stream_request(self, from_seq: int) -> test_service_pb2.StreamLogsRequest:
        return test_service_pb2.StreamLogsRequest(
            test_id=self.test_id,
            from_seq=from_seq,
            follow=self.follow,
            min_level=self._level(),
            streams=self._streams(),
        )

    def tail_request(self) -> test_service_pb2.GetLogsRequest:
        return test_service_pb2.GetLogsRequest(
            test_id=self.test_id,
            tail=self.tail or 0,
            page_size=self.tail or 0,
            min_level=self._level(),
            streams=self._streams(),
        )

    def _level(self) -> Any:
        return number(log_pb2.LogLevel, "LOG_LEVEL_", self.min_level) if self.min_level else None

    def _streams(self) -> list[Any]:
        return [number(log_pb2.LogStream, "LOG_STREAM_", stream) for stream in self.streams]


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


def requirement_lines(text: str) -> list[str]:
    """The requirements in the text of a requirements.txt, without comments and empty lines, broken lines joined."""
    joined = re.sub(r"\\\r?\n", " ", text)
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines())
    return [line for line in lines if line]


def _requirements(value: Iterable[str] | os.PathLike[str]) -> Iterable[str]:
    if isinstance(value, os.PathLike):
        return requirement_lines(_text(value))
    if isinstance(value, str):  # a string is an iterable of its letters: surely meant as the text of a file
        return requirement_lines(value)
    return value


def _text(source: Source) -> str:
    return source if isinstance(source, str) else Path(source).read_text(encoding="utf-8")


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
