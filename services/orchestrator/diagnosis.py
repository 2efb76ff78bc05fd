"""How an attempt ended: a pure function from what was seen to a verdict."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.orchestrator.harness_result import HarnessResult
from services.orchestrator.ports import Phase, Sighting
from shared.domain.failure import KINDS, Failure, FailureCode, Stage
from shared.domain.lifecycle import MAX_ATTEMPTS, State

_MAY_BE_MEMORY: Final = frozenset(
    {FailureCode.AGENT_EXITED, FailureCode.AGENT_EXCEPTION, FailureCode.DEPENDENCY_INSTALL_FAILED}
)

NOT_DELIVERED: Final = 75
"""The exit code of a harness that had a result and did not get it through (harness/src/main.py)."""
_FROM_OUTSIDE: Final = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})

_OF_SYNTAX: Final = frozenset({"SyntaxError", "IndentationError", "TabError"})


class StopCause(StrEnum):
    """Why we told a task to stop."""

    CANCEL = "cancel"
    DEADLINE = "deadline"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that is known when an attempt has ended."""

    attempt: int
    timeout_s: int
    sighting: Sighting
    result: HarnessResult | None = None
    result_problem: str = ""
    """Why the result object could not be used, where there was one."""
    state: State = State.RUNNING
    """Of the test, as far as it was told: BUILDING while its container starts and its requirements are installed."""
    installs: bool = False
    """Whether the test has requirements: what runs before the agent does is then their installation."""
    memory_mib: int = 0
    """The test's limit; 0 where it is not known."""
    told_to_stop: StopCause | None = None
    cancelled_by: str = ""
    cancel_reason: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the test. `failure` is None exactly where it completed."""

    to: State
    failure: Failure | None = None


def judge(evidence: Evidence) -> Verdict:
    """The state the test goes to, and why."""
    failure = diagnose(evidence)
    if failure is None:
        return Verdict(State.COMPLETED)
    if failure.retryable and evidence.attempt < MAX_ATTEMPTS and evidence.told_to_stop is not StopCause.CANCEL:
        return Verdict(State.QUEUED, failure)
    return Verdict(State.TIMED_OUT if failure.code is FailureCode.TIMED_OUT else State.FAILED, failure)


def diagnose(evidence: Evidence) -> Failure | None:
    """Why the attempt failed; None where it did not. The answer counts, even when a stop was already on its way."""
    result = evidence.result
    if result is not None and result.success:
        return None
    if evidence.told_to_stop is StopCause.CANCEL:
        return _cancelled(evidence)
    if evidence.told_to_stop is StopCause.DEADLINE:
        return Failure.of(
            FailureCode.TIMED_OUT,
            f"The task did not end by its deadline, long after the agent's time limit of {evidence.timeout_s} s.",
            stage=_stage(evidence),
        )
    if result is not None:
        return _reported(result, evidence)
    return _silent(evidence)


def _cancelled(evidence: Evidence) -> Failure:
    reason = f": {evidence.cancel_reason}" if evidence.cancel_reason else "."
    by = f" by {evidence.cancelled_by}" if evidence.cancelled_by else ""
    stage = _stage(evidence)
    when = "while it ran"
    if stage is Stage.BUILD:
        when = "while its requirements were installed" if _has_installed(evidence) else "before it ran"
    return Failure.of(FailureCode.CANCELLED, f"Cancelled{by} {when}{reason}", stage=stage)


def _has_installed(evidence: Evidence) -> bool:
    """By the harness's own word, or as its container has begun (it has an exit code) and the agent has not."""
    if evidence.result is not None and evidence.result.phases.build_ms is not None:
        return True
    begun = evidence.state is State.BUILDING and evidence.sighting.exit_code is not None
    return evidence.installs and evidence.result is None and begun


def _stage(evidence: Evidence) -> Stage:
    """Whether the agent had begun to run: by what the harness says, else by what the test was told to be."""
    phases = evidence.result.phases if evidence.result else None
    if phases is not None and phases.run_ms is not None:
        return Stage.RUN
    return Stage.BUILD if _has_installed(evidence) or evidence.state is State.BUILDING else Stage.RUN


def _out_of_memory(evidence: Evidence) -> Failure:
    """With the limit, where it is the agent's: requirements are installed with another one."""
    stage = _stage(evidence)
    if stage is Stage.BUILD:
        return Failure.of(
            FailureCode.OUT_OF_MEMORY,
            "Installing the requirements took more memory than there is for it.",
            stage=stage,
            hint="Leave out requirements that the agent does not need, take versions with wheels (building from source "
            "takes more), or ask the operator for more memory to install.",
        )
    limit = f"its limit of {evidence.memory_mib} MiB" if evidence.memory_mib else "its limit"
    return Failure.of(FailureCode.OUT_OF_MEMORY, f"The agent used more memory than {limit}.")


def _reported(result: HarnessResult, evidence: Evidence) -> Failure:
    """The harness lived to tell."""
    code = result.code or FailureCode.INTERNAL
    if evidence.sighting.out_of_memory and code in _MAY_BE_MEMORY:
        return _out_of_memory(evidence)
    if code is FailureCode.CANCELLED:  # somebody else told the container to stop: a host that shuts down, an operator
        cause = evidence.sighting.cause or FailureCode.TASK_LOST
        said = f" ({evidence.sighting.stop_reason})" if evidence.sighting.stop_reason else ""
        return Failure.of(cause, f"The task was stopped from outside before it ended{said}.")
    message = result.error.message if result.error else ""
    if result.error and _is_told_with_its_type(code, result.error.type, message):
        message = f"{result.error.type}: {message}" if message else result.error.type
    stage = _stage(evidence) if code in {FailureCode.TIMED_OUT, FailureCode.OUT_OF_MEMORY} else None
    return Failure.of(code, message or None, stage=stage, hint=(result.error.hint if result.error else "") or None)


def _is_told_with_its_type(code: FailureCode, kind: str, message: str) -> bool:
    """An exception is, unless it says its type itself, or a place in the source that says more."""
    if not kind or code not in {FailureCode.AGENT_EXCEPTION, FailureCode.AGENT_IMPORT_ERROR}:
        return False
    return not (code is FailureCode.AGENT_IMPORT_ERROR and (kind in _OF_SYNTAX or message.startswith(kind)))


def _silent(evidence: Evidence) -> Failure:
    """No word from the harness.

    Where it was killed, or its result did not get through, the fault is ours, and trying again may help. Where it broke
    off by itself on a machine that lives on, the next attempt would end like this one: whatever an agent may have found
    to break it with, it runs once."""
    sighting = evidence.sighting
    if sighting.out_of_memory:
        return _out_of_memory(evidence)
    reason = f" ({sighting.stop_reason})" if sighting.stop_reason else ""
    if sighting.cause is not None:  # the platform's own word, before any guess
        return Failure.of(sighting.cause, f"{KINDS[sighting.cause].message[:-1]}{reason}.")
    if evidence.result_problem:
        return Failure.of(FailureCode.INTERNAL, evidence.result_problem, stage=Stage.RESULT)
    if sighting.phase is Phase.MISSING:
        return Failure.of(FailureCode.TASK_LOST)
    ending = _ending(sighting.exit_code)
    if _broke_off(sighting.exit_code):
        return Failure.of(
            FailureCode.AGENT_EXITED,
            f"What runs the agent ended without a result, {ending}{reason}: nobody stopped it from outside.",
            stage=_stage(evidence),
            hint="Leave alone what the agent did not start: the processes, signals and limits around it. If it does, "
            "report this with the test's id.",
        )
    return Failure.of(FailureCode.TASK_LOST, f"The task ended without a result, {ending}{reason}.")


def _broke_off(exit_code: int | None) -> bool:
    """Whether the harness ended by itself: neither killed nor told to end, as only somebody outside can do (it is the
    first process of its container), nor with a result that did not get through."""
    if exit_code is None or exit_code in {0, NOT_DELIVERED}:
        return False
    return _signal(exit_code) not in _FROM_OUTSIDE


def _signal(exit_code: int) -> signal.Signals | None:
    number = -exit_code if exit_code < 0 else exit_code - 128
    return signal.Signals(number) if number in set(signal.Signals) else None


def _ending(exit_code: int | None) -> str:
    if exit_code is None:
        return "with an unknown exit code"
    killed_by = _signal(exit_code)
    return f"killed by {killed_by.name}" if killed_by else f"with exit code {exit_code}"
