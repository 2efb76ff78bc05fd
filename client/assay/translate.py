"""The API's messages as the SDK's values. Owns how the messages look; decides and connects nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from assay.files import FileKind, TestFile
from assay.findings import Finding, Severity
from assay.outcome import AgentError, Conversion, Cost, EntryPoint, Failure, Metrics, Result, TokenUsage
from assay.queue import QueueEntry, QueuePage, QueueStatus
from assay.specification import Model, TestSpec
from assay.tests import (
    Cancellation,
    CancelOutcome,
    LogSummary,
    Page,
    QueuePlace,
    RetryLink,
    StateChange,
    TaskInfo,
    Test,
    TestState,
    TestTimes,
    WatchEvent,
)
from assay.v1 import queue_service_pb2, test_pb2, test_service_pb2

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper
    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp

E = TypeVar("E", bound=StrEnum)


def enum_table(wrapper: _EnumTypeWrapper[Any], prefix: str, kind: type[E]) -> dict[int, E]:
    """The members of an enum by their numbers in messages."""
    known = {member.name: member for member in kind}
    names = ((number, name.removeprefix(prefix)) for name, number in wrapper.items())
    return {number: known[name] for number, name in names if name in known}


_STATES = enum_table(test_pb2.TestState, "TEST_STATE_", TestState)
_EVENTS = enum_table(test_service_pb2.WatchEvent, "WATCH_EVENT_", WatchEvent)
_OUTCOMES = enum_table(test_service_pb2.CancelOutcome, "CANCEL_OUTCOME_", CancelOutcome)
_SEVERITIES = enum_table(test_service_pb2.Severity, "SEVERITY_", Severity)


def state(number: int) -> TestState:
    return _STATES.get(number, TestState.UNKNOWN)


def watch_event(number: int) -> WatchEvent:
    return _EVENTS.get(number, WatchEvent.UNKNOWN)


def cancel_outcome(number: int) -> CancelOutcome:
    return _OUTCOMES.get(number, CancelOutcome.UNKNOWN)


def instant(stamp: Timestamp) -> datetime:
    """To the microsecond, in UTC."""
    return datetime.fromtimestamp(stamp.seconds, UTC) + timedelta(microseconds=stamp.nanos // 1000)


def moment(message: Message, field: str) -> datetime | None:
    """A time of a message; None where it is not set."""
    return instant(getattr(message, field)) if message.HasField(field) else None


def span(message: Message, field: str) -> timedelta | None:
    if not message.HasField(field):
        return None
    duration: Duration = getattr(message, field)
    return timedelta(seconds=duration.seconds, microseconds=duration.nanos // 1000)


def test(message: test_pb2.Test) -> Test:
    return Test(
        id=message.id,
        user_id=message.user_id,
        spec=_spec(message.spec),
        state=state(message.state),
        attempt=message.attempt,
        failure=failure(message.failure) if message.HasField("failure") else None,
        times=_times(message.times),
        result=_result(message.result) if message.HasField("result") else None,
        task=_task(message.task) if message.HasField("task") else None,
        retry=_retry(message.retry) if message.HasField("retry") else None,
        cancellation=_cancellation(message.cancellation) if message.HasField("cancellation") else None,
        logs=LogSummary(
            message.logs.lines, message.logs.bytes, message.logs.ended, message.logs.complete, message.logs.truncated
        ),
        package_id=message.package_id,
        queue_place=QueuePlace(message.queue_place.position, span(message.queue_place, "estimated_wait"))
        if message.HasField("queue_place")
        else None,
        history=tuple(
            StateChange(state(move.state), moment(move, "time"), move.attempt, move.moved_by, move.reason)
            for move in message.history
        ),
        cost=cost(message.cost) if message.HasField("cost") else None,
        project_files=_files(FileKind.PROJECT, message.project_files),
        input_files=_files(FileKind.INPUT, message.input_files),
        output_files=_files(FileKind.OUTPUT, message.output_files),
        files_expire=moment(message, "files_expire_time"),
    )


def submitted(message: test_service_pb2.SubmitTestResponse) -> Test:
    """The test with what was noticed about it."""
    found = tuple(
        Finding(_SEVERITIES.get(one.severity, Severity.UNKNOWN), one.code, one.message, one.hint, one.path, one.line)
        for one in message.findings
    )
    return replace(test(message.test), findings=found)


def _files(kind: FileKind, messages: Iterable[test_pb2.TestFile]) -> tuple[TestFile, ...]:
    return tuple(TestFile(kind, one.path, one.size, one.sha256, one.executable) for one in messages)


def _spec(message: test_pb2.TestSpec) -> TestSpec:
    model = message.model
    return TestSpec(
        name=message.name,
        agent_id=message.agent_id,
        agent_name=message.agent_name,
        agent_code=message.agent_code,
        requirements=tuple(message.requirements),
        dockerfile=message.dockerfile,
        entrypoint=message.entrypoint,
        query=message.query if message.HasField("query") else None,
        env=dict(message.env),
        secret_refs=dict(message.secret_refs),
        model=Model(model.provider, model.model_id, model.base_url, model.region)
        if message.HasField("model")
        else None,
        timeout=span(message, "timeout"),
        priority=message.priority if message.HasField("priority") else None,
        cpu=message.resources.cpu,
        memory_mib=message.resources.memory_mib,
        network=message.network != test_pb2.NETWORK_ACCESS_NONE,
        labels=dict(message.labels),
        agent_path=message.agent_path,
        strict_answer=message.strict_answer,
        system_packages=tuple(message.system_packages),
        allow_hosts=tuple(message.allow_hosts),
    )


def failure(message: test_pb2.Failure) -> Failure:
    """Of a test, or of a package."""
    error = message.agent_error
    return Failure(
        code=message.code,
        stage=message.stage,
        message=message.message,
        hint=message.hint,
        retryable=message.retryable,
        agent_error=AgentError(error.type, error.message, error.traceback) if message.HasField("agent_error") else None,
    )


def _times(message: test_pb2.TestTimes) -> TestTimes:
    return TestTimes(
        submitted=moment(message, "submit_time"),
        queued=moment(message, "queue_time"),
        scheduled=moment(message, "schedule_time"),
        build_started=moment(message, "build_start_time"),
        run_started=moment(message, "run_start_time"),
        ended=moment(message, "end_time"),
        archived=moment(message, "archive_time"),
        deadline=moment(message, "deadline_time"),
    )


def cost(message: test_pb2.Cost) -> Cost:
    return Cost(message.total_usd, message.cpu_usd, message.memory_usd, message.storage_usd, message.logs_usd)


def _result(message: test_pb2.Result) -> Result:
    metrics = message.metrics
    return Result(
        success=message.success,
        response_json=message.response_json,
        metrics=Metrics(
            queue=span(metrics, "queue_duration"),
            build=span(metrics, "build_duration"),
            run=span(metrics, "run_duration"),
            total=span(metrics, "total_duration"),
            cpu=span(metrics, "cpu_time"),
            peak_memory_bytes=metrics.peak_memory_bytes,
        ),
        usage=TokenUsage(message.usage.input_tokens, message.usage.output_tokens)
        if message.HasField("usage")
        else None,
        entry=_entry(message.entry) if message.HasField("entry") else None,
        conversions=tuple(Conversion(one.path, one.type, one.how) for one in message.conversions),
        files_left_out=tuple(message.files_left_out),
    )


def _entry(message: test_pb2.EntryPoint) -> EntryPoint:
    return EntryPoint(
        name=message.name,
        kind=message.kind,
        signature=message.signature,
        call=message.call,
        query_passed=message.query_passed,
        named=message.named,
        candidates=tuple(message.candidates),
    )


def _task(message: test_pb2.TaskInfo) -> TaskInfo:
    exit_code = message.exit_code if message.HasField("exit_code") else None
    return TaskInfo(message.runtime, message.task_id, exit_code, message.stop_reason)


def _retry(message: test_pb2.RetryLink) -> RetryLink:
    return RetryLink(message.original_test_id, message.retry_of, message.retry_number)


def _cancellation(message: test_pb2.Cancellation) -> Cancellation:
    return Cancellation(moment(message, "request_time"), message.requested_by, message.reason)


def page(message: test_service_pb2.ListTestsResponse) -> Page:
    return Page(
        tests=tuple(test(item) for item in message.tests),
        next_page_token=message.next_page_token,
        totals={state(total.state): total.count for total in message.totals},
    )


def queue_status(message: queue_service_pb2.QueueStatus) -> QueueStatus:
    return QueueStatus(
        pending=message.pending,
        running=message.running,
        capacity=message.capacity,
        utilization=message.utilization,
        average_wait=span(message, "average_wait"),
        oldest_pending_age=span(message, "oldest_pending_age"),
        paused=message.paused,
        pause_reason=message.pause_reason,
        own_pending=message.own_pending,
        own_running=message.own_running,
        time=moment(message, "time"),
    )


def queue_page(message: queue_service_pb2.ListQueueResponse) -> QueuePage:
    running, waiting = (tuple(_queue_entry(one) for one in found) for found in (message.running, message.waiting))
    return QueuePage(running, waiting, message.next_page_token)


def _queue_entry(message: queue_service_pb2.QueueEntry) -> QueueEntry:
    return QueueEntry(
        position=message.position,
        test_id=message.test_id,
        user_id=message.user_id,
        name=message.name,
        state=state(message.state),
        priority=message.priority,
        since=moment(message, "since_time"),
        estimated_wait=span(message, "estimated_wait"),
        own=message.own,
    )
