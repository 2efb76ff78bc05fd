"""What a test took and what that costs: pure, from the stored test to the facts that the counters add up."""

from __future__ import annotations

from collections.abc import Mapping

from services.orchestrator.runtimes.ecs.sizes import size_for
from shared.domain.lifecycle import ENDED
from shared.domain.pricing import Charge, Prices, Stay, for_logs, for_tasks, task_spans
from shared.domain.usage import FREE, Facts
from shared.store.documents import Execution


def charge_of(test: Execution, prices: Prices, charged: frozenset[str]) -> Charge | None:
    """What an ended test costs, with or without a result; None where its runtime is not charged for, or nothing ran.

    A task is charged by the size that Fargate gave it, which is the next one above what was asked for."""
    if test.state not in ENDED or test.task is None or test.task.runtime not in charged:
        return None
    spans = task_spans(
        (Stay(entry.state, entry.at, entry.attempt) for entry in test.history),
        # A claim that is given up forgets the handle, and no last attempt forgets where its output is.
        last_was_launched=test.task.handle is not None or test.task.log_source is not None,
    )
    if not spans and not test.logs.bytes:
        return None
    asked = test.input.resources
    size = size_for(asked.cpu, asked.memory_mib)
    vcpu, memory_mib = (size.cpu / 1024, size.memory) if size else (asked.cpu, asked.memory_mib)
    tasks = for_tasks(prices, spans, vcpu=vcpu, memory_gib=memory_mib / 1024)
    return tasks._replace(logs=for_logs(prices, test.logs.bytes).logs)


def facts_of(test: Execution, charge: Mapping[str, float] | None) -> Facts:
    """The test as the counters see it."""
    metrics = test.result.metrics if test.result else None
    usage = test.result.usage if test.result else None
    return Facts(
        user=test.user_id,
        agent_id=test.agent_id,
        agent_name=test.agent_name,
        labels=tuple(test.labels),
        submitted=test.times.submitted,
        finished=test.times.finished,
        failure_code=test.failure.code if test.failure else "",
        run_ms=metrics.run_ms if metrics else None,
        queue_ms=metrics.queue_ms if metrics else None,
        build_ms=metrics.build_ms if metrics and test.input.requirements else None,
        peak_memory_bytes=metrics.peak_memory_bytes if metrics else None,
        input_tokens=usage.input_tokens if usage else 0,
        output_tokens=usage.output_tokens if usage else 0,
        charge=Charge(**charge) if charge else FREE,
    )
