"""Figures over many tests between the SDK's values and the API's messages. Owns how the messages look."""

from __future__ import annotations

from datetime import timedelta

from assay.agents import Agent, AgentPage, AgentRun
from assay.outcome import TokenUsage
from assay.reports import (
    AgentComparison,
    AgentStats,
    CostGrouping,
    CostOptions,
    CostReport,
    CostRow,
    Durations,
    ReportInterval,
    Sizes,
    Usage,
    UsageFigures,
    UsageOptions,
)
from assay.requests import number, timestamp
from assay.translate import cost, moment, span, state
from assay.v1 import admin_service_pb2 as pb
from assay.v1 import distribution_pb2, test_pb2, test_service_pb2


def usage_request(options: UsageOptions) -> pb.GetUsageRequest:
    """Raises ValueError for an interval that there is not."""
    return pb.GetUsageRequest(
        from_time=timestamp(options["since"]) if "since" in options else None,
        to_time=timestamp(options["until"]) if "until" in options else None,
        interval=number(pb.ReportInterval, "REPORT_INTERVAL_", options.get("interval") or ReportInterval.DAY),
        user_id=options.get("user_id", ""),
    )


def cost_request(options: CostOptions) -> pb.GetCostReportRequest:
    """Raises ValueError for a grouping that there is not."""
    return pb.GetCostReportRequest(
        from_time=timestamp(options["since"]) if "since" in options else None,
        to_time=timestamp(options["until"]) if "until" in options else None,
        group_by=number(pb.CostGrouping, "COST_GROUPING_", options.get("by") or CostGrouping.DAY),
        label_key=options.get("label_key", ""),
        user_id=options.get("user_id", ""),
    )


def agent_stats(message: test_service_pb2.GetAgentStatsResponse) -> AgentStats:
    return _stats(message.stats, _comparison(message.comparison) if message.HasField("comparison") else None)


def agent_page(message: test_service_pb2.ListAgentsResponse) -> AgentPage:
    return AgentPage(tuple(_agent(agent) for agent in message.agents), message.next_page_token)


def _agent(message: test_service_pb2.Agent) -> Agent:
    return Agent(
        user_id=message.user_id,
        stats=_stats(message.stats),
        last_failure=_run(message.last_failure) if message.HasField("last_failure") else None,
        runs=tuple(_run(run) for run in message.runs),
    )


def _run(message: test_service_pb2.AgentRun) -> AgentRun:
    return AgentRun(
        test_id=message.test_id,
        state=state(message.state),
        failure_code=message.failure_code,
        submitted=moment(message, "submit_time"),
        run=span(message, "run_duration"),
        peak_memory_bytes=message.peak_memory_bytes,
    )


def _stats(stats: test_service_pb2.AgentStats, comparison: AgentComparison | None = None) -> AgentStats:
    return AgentStats(
        agent_id=stats.agent_id,
        agent_name=stats.agent_name,
        ended=stats.ended_count,
        success_rate=stats.success_rate if stats.ended_count else None,
        run=_durations(stats.run_seconds),
        build=_durations(stats.build_seconds),
        peak_memory_bytes=_sizes(stats.peak_memory_bytes),
        last_submitted=moment(stats, "last_submit_time"),
        comparison=comparison,
    )


def usage(message: pb.GetUsageResponse) -> Usage:
    return Usage(tuple(figures(step) for step in message.steps), figures(message.total))


def cost_report(message: pb.GetCostReportResponse) -> CostReport:
    return CostReport(tuple(_cost_row(row) for row in message.rows), _cost_row(message.total))


def figures(message: pb.UsageFigures) -> UsageFigures:
    return UsageFigures(
        start=moment(message, "start_time"),
        submitted=message.submitted_count,
        completed=message.completed_count,
        failed=message.failed_count,
        timed_out=message.timed_out_count,
        cancelled=message.cancelled_count,
        success_rate=message.success_rate if message.HasField("success_rate") else None,
        run=_durations(message.run_seconds),
        wait=_durations(message.queue_seconds),
        tokens=_tokens(message.usage),
    )


def _tokens(message: test_pb2.TokenUsage) -> TokenUsage | None:
    """None where no agent said how many it used."""
    if not (message.input_tokens or message.output_tokens):
        return None
    return TokenUsage(message.input_tokens, message.output_tokens)


def _cost_row(message: pb.CostRow) -> CostRow:
    return CostRow(
        key=message.key,
        tests=message.test_count,
        cost=cost(message.cost) if message.HasField("cost") else None,
    )


def _comparison(message: test_service_pb2.AgentComparison) -> AgentComparison:
    return AgentComparison(
        test_id=message.test_id,
        run_ratio=message.run_ratio if message.HasField("run_ratio") else None,
        build_ratio=message.build_ratio if message.HasField("build_ratio") else None,
        peak_memory_ratio=message.peak_memory_ratio if message.HasField("peak_memory_ratio") else None,
    )


def _durations(message: distribution_pb2.Distribution) -> Durations | None:
    """Of a distribution in seconds; None over no tests."""
    if not message.count:
        return None
    seconds = (message.mean, message.p50, message.p95, message.min, message.max)
    return Durations(message.count, *(timedelta(seconds=one) for one in seconds))


def _sizes(message: distribution_pb2.Distribution) -> Sizes | None:
    if not message.count:
        return None
    return Sizes(message.count, message.mean, message.p50, message.p95, message.min, message.max)
