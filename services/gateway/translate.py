"""From stored tests to the API's messages, by view. Owns which field goes where; decides nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from assay.v1 import log_pb2, test_pb2, test_service_pb2
from services.gateway.submission.finding import Finding, Severity
from shared.domain.lifecycle import State
from shared.domain.pricing import Charge
from shared.store.documents import (
    ArchiveRef,
    EntryPoint,
    Execution,
    FailureDoc,
    HistoryEntry,
    Input,
    Logs,
    Metrics,
    Result,
    StoredFile,
    Task,
    Times,
)

BASIC: Final = test_pb2.TEST_VIEW_BASIC
RESULT: Final = test_pb2.TEST_VIEW_RESULT
FULL: Final = test_pb2.TEST_VIEW_FULL
BASIC_QUERY: Final = 200

STATES: Final = {state: test_pb2.TestState.Value(f"TEST_STATE_{state}") for state in State}
STATE_OF: Final = {number: state for state, number in STATES.items()}
_SEVERITIES: Final = {
    Severity.NOTE: test_service_pb2.SEVERITY_NOTE,
    Severity.WARNING: test_service_pb2.SEVERITY_WARNING,
    Severity.ERROR: test_service_pb2.SEVERITY_ERROR,
}
_HANDLE_NAMES: Final = ("arn", "name", "token")


def timestamp(at: datetime | None) -> Timestamp | None:
    """None stays None: the field is not set."""
    return None if at is None else Timestamp(seconds=int(at.timestamp()), nanos=at.microsecond * 1000)


def duration(seconds: float | None) -> Duration | None:
    """None stays None: the field is not set."""
    if seconds is None:
        return None
    nanos = round(seconds * 1e9)
    whole = int(nanos / 1e9) if nanos < 0 else nanos // 1_000_000_000
    return Duration(seconds=whole, nanos=nanos - whole * 1_000_000_000)


def api_test(execution: Execution, view: int, *, place: test_pb2.QueuePlace | None = None) -> test_pb2.Test:
    """The test as `view` shows it."""
    return test_pb2.Test(
        id=execution.id,
        user_id=execution.user_id,
        spec=_spec(execution, view),
        state=STATES[execution.state],
        attempt=execution.attempt,
        failure=api_failure(execution.failure, view) if execution.failure else None,
        times=_times(execution.times),
        result=_result(execution.result, view) if execution.result else None,
        cost=api_cost(execution.cost.charge()) if execution.cost else None,
        task=_task(execution.task) if execution.task else None,
        retry=test_pb2.RetryLink(
            original_test_id=execution.chain.original_test_id,
            retry_of=execution.chain.retry_of,
            retry_number=execution.chain.retry_number,
        )
        if execution.chain
        else None,
        cancellation=test_pb2.Cancellation(
            request_time=timestamp(execution.cancel.requested_at),
            requested_by=execution.cancel.by,
            reason=execution.cancel.reason,
        )
        if execution.cancel
        else None,
        logs=_logs(execution.logs),
        package_id=execution.package_id,
        queue_place=place,
        history=[_move(entry) for entry in execution.history] if view >= RESULT else None,
        project_files=_files(execution.input.project) if view >= FULL else None,
        input_files=_files(execution.input.inputs) if view >= FULL else None,
        output_files=[api_file(file) for file in execution.output_files] if view >= RESULT else None,
        files_expire_time=timestamp(execution.output_expires_at),
    )


def _query(given: Input, view: int) -> str | None:
    if given.without_query:
        return None
    if given.sealed is not None:
        return f"(encrypted with the key {given.sealed.key!r}, which cannot be used here)"
    return given.query if view >= RESULT else given.query[:BASIC_QUERY]


def _spec(execution: Execution, view: int) -> test_pb2.TestSpec:
    given = execution.input
    spec = test_pb2.TestSpec(
        name=given.name,
        agent_id=execution.agent_id,
        agent_name=execution.agent_name,
        entrypoint=given.entrypoint,
        query=_query(given, view),
        secret_refs=given.secret_refs,
        timeout=Duration(seconds=given.timeout_s),
        priority=given.priority,
        resources=test_pb2.Resources(cpu=given.resources.cpu, memory_mib=given.resources.memory_mib),
        network=test_pb2.NETWORK_ACCESS_OPEN if given.network else test_pb2.NETWORK_ACCESS_NONE,
        labels=dict(label.split("=", 1) for label in execution.labels),
        agent_path=given.agent_path,
        strict_answer=given.strict_answer,
        system_packages=given.system_packages,
        allow_hosts=given.allow_hosts,
    )
    if given.project is not None:
        spec.project.digest = given.project.digest
    if given.inputs is not None:
        spec.inputs.digest = given.inputs.digest
    if given.model is not None:
        spec.model.provider = given.model.provider
        spec.model.model_id = given.model.model_id
        spec.model.base_url = given.model.base_url
        spec.model.region = given.model.region
    if view >= FULL:
        spec.agent_code = given.agent_code
        spec.requirements.extend(given.requirements)
        spec.dockerfile = given.dockerfile
        spec.env.update(given.env)
    return spec


def api_file(file: StoredFile) -> test_pb2.TestFile:
    """A file of a test, without its content."""
    return test_pb2.TestFile(path=file.path, size=file.size, sha256=file.sha256, executable=file.executable)


def api_finding(finding: Finding) -> test_service_pb2.Finding:
    """Something that was noticed about a test without running it."""
    return test_service_pb2.Finding(**{**finding._asdict(), "severity": _SEVERITIES[finding.severity]})


def _files(ref: ArchiveRef | None) -> list[test_pb2.TestFile]:
    return [api_file(file) for file in ref.files] if ref else []


def api_failure(failure: FailureDoc, view: int = RESULT) -> test_pb2.Failure:
    """Why a test or a package failed, as `view` shows it."""
    error = failure.agent_error
    return test_pb2.Failure(
        code=failure.code,
        stage=failure.stage,
        message=failure.message,
        hint=failure.hint,
        retryable=failure.retryable,
        agent_error=test_pb2.AgentError(
            type=error.type, message=error.message, traceback=error.traceback if view >= RESULT else ""
        )
        if error
        else None,
    )


def _times(times: Times) -> test_pb2.TestTimes:
    return test_pb2.TestTimes(
        submit_time=timestamp(times.submitted),
        queue_time=timestamp(times.queued),
        schedule_time=timestamp(times.scheduled),
        build_start_time=timestamp(times.build_started),
        run_start_time=timestamp(times.started),
        end_time=timestamp(times.finished),
        archive_time=timestamp(times.archived),
        deadline_time=timestamp(times.deadline),
    )


def _result(result: Result, view: int) -> test_pb2.Result:
    return test_pb2.Result(
        success=result.success,
        response_json=result.response_json if view >= RESULT else "",
        metrics=_metrics(result.metrics),
        usage=test_pb2.TokenUsage(input_tokens=result.usage.input_tokens, output_tokens=result.usage.output_tokens)
        if result.usage
        else None,
        entry=_entry(result.entry) if result.entry and view >= RESULT else None,
        conversions=[test_pb2.Conversion(path=one.path, type=one.type, how=one.how) for one in result.conversions]
        if view >= RESULT
        else None,
        files_left_out=result.files_left_out if view >= RESULT else None,
    )


def _entry(entry: EntryPoint) -> test_pb2.EntryPoint:
    return test_pb2.EntryPoint(
        name=entry.name,
        kind=entry.kind,
        signature=entry.signature,
        call=entry.call,
        query_passed=entry.query_passed,
        named=entry.named,
        candidates=entry.candidates,
    )


def api_cost(charge: Charge) -> test_pb2.Cost:
    """What something costs."""
    return test_pb2.Cost(
        total_usd=charge.total,
        cpu_usd=charge.cpu,
        memory_usd=charge.memory,
        storage_usd=charge.storage,
        logs_usd=charge.logs,
    )


def _metrics(metrics: Metrics) -> test_pb2.Metrics:
    return test_pb2.Metrics(
        queue_duration=_from_ms(metrics.queue_ms),
        build_duration=_from_ms(metrics.build_ms),
        run_duration=_from_ms(metrics.run_ms),
        total_duration=_from_ms(metrics.total_ms),
        cpu_time=duration(metrics.cpu_s),
        peak_memory_bytes=metrics.peak_memory_bytes or 0,
    )


def _from_ms(milliseconds: float | None) -> Duration | None:
    return None if milliseconds is None else duration(milliseconds / 1000)


def _task(task: Task) -> test_pb2.TaskInfo:
    handle = task.handle or {}
    name = next((handle[key] for key in _HANDLE_NAMES if handle.get(key)), "")
    return test_pb2.TaskInfo(
        runtime=task.runtime, task_id=str(name), exit_code=task.exit_code, stop_reason=task.stop_reason
    )


def _logs(logs: Logs) -> log_pb2.LogSummary:
    return log_pb2.LogSummary(
        lines=logs.lines, bytes=logs.bytes, ended=logs.ended, complete=logs.complete, truncated=logs.truncated
    )


def _move(entry: HistoryEntry) -> test_pb2.StateChange:
    return test_pb2.StateChange(
        state=STATES[entry.state],
        time=timestamp(entry.at),
        attempt=entry.attempt,
        moved_by=entry.by,
        reason=entry.reason,
    )
