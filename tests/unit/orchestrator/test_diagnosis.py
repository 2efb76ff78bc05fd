from dataclasses import dataclass, field
from typing import Any

import pytest

from services.orchestrator.diagnosis import Evidence, StopCause, judge
from services.orchestrator.harness_result import HarnessError, HarnessPhases, HarnessResult
from services.orchestrator.ports import Phase, Sighting
from shared.domain.failure import KINDS, FailureCode, Stage
from shared.domain.lifecycle import MOVES, State

ENDED_WELL = Sighting(Phase.STOPPED, exit_code=0)
ENDED_BADLY = Sighting(Phase.STOPPED, exit_code=1)
OUT_OF_MEMORY = Sighting(Phase.STOPPED, exit_code=137, out_of_memory=True)
MISSING = Sighting(Phase.MISSING)
CANCEL, DEADLINE = StopCause.CANCEL, StopCause.DEADLINE


def answered() -> HarnessResult:
    return HarnessResult(nonce="n", success=True, response_json='"done"')


def reported(code: str | None, kind: str = "", message: str = "") -> HarnessResult:
    error = HarnessError(type=kind, message=message) if kind or message else None
    return HarnessResult(nonce="n", success=False, code=FailureCode(code) if code else None, error=error)


def installing(code: str, **error: str) -> HarnessResult:
    """What the harness reports of an installation that did not come to its end."""
    phases = HarnessPhases(build_ms=1000.0)
    return HarnessResult(nonce="n", success=False, code=FailureCode(code), error=HarnessError(**error), phases=phases)


def said(code: str) -> Sighting:
    """The platform knows why."""
    return Sighting(Phase.STOPPED, stop_reason="as ECS says", cause=FailureCode(code))


@dataclass(frozen=True)
class Row:
    name: str
    sighting: Sighting
    to: str
    code: str | None
    says: str = ""
    result: HarnessResult | None = None
    stage: Stage | None = None
    more: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


REPORTED = [
    "DEPENDENCY_INSTALL_FAILED",
    "SYSTEM_PACKAGE_MISSING",
    "CONTEXT_UNAVAILABLE",
    "AGENT_IMPORT_ERROR",
    "ENTRYPOINT_NOT_FOUND",
    "ENTRYPOINT_AMBIGUOUS",
    "QUERY_NOT_ACCEPTED",
    "AGENT_EXCEPTION",
    "AGENT_EXITED",
    "RESULT_TOO_LARGE",
    "RESULT_INVALID",
    "OUT_OF_MEMORY",
]
PROBLEM = {"result_problem": "The result object is not from the harness: its nonce is another one."}
BY_BOB = {"told_to_stop": CANCEL, "cancelled_by": "bob", "cancel_reason": "too slow"}

TABLE = [
    # -- it answered: that counts, whatever else happened
    Row("answered", ENDED_WELL, "COMPLETED", None, result=answered()),
    Row("answered-then-killed", Sighting(Phase.STOPPED, -9), "COMPLETED", None, result=answered()),
    Row("answered-then-missing", MISSING, "COMPLETED", None, result=answered()),
    Row("answered-then-out-of-memory", OUT_OF_MEMORY, "COMPLETED", None, result=answered()),
    Row("answered-and-cancelled", ENDED_WELL, "COMPLETED", None, result=answered(), more=BY_BOB),
    Row("answered-at-the-deadline", ENDED_WELL, "COMPLETED", None, result=answered(), more={"told_to_stop": DEADLINE}),
    Row("answered-in-the-last-attempt", ENDED_WELL, "COMPLETED", None, result=answered(), more={"attempt": 3}),
    # -- the harness reported a failure of the agent: never tried again
    *[
        Row(f"reported-{code}", ENDED_BADLY, "FAILED", code, "as it said", reported(code, message="as it said"))
        for code in REPORTED
    ],
    Row(
        "reported-without-words",
        ENDED_BADLY,
        "FAILED",
        "AGENT_EXITED",
        KINDS[FailureCode.AGENT_EXITED].message,
        reported("AGENT_EXITED"),
    ),
    Row(
        "reported-exception-with-type",
        ENDED_BADLY,
        "FAILED",
        "AGENT_EXCEPTION",
        "ValueError: no",
        reported("AGENT_EXCEPTION", "ValueError", "no"),
    ),
    Row(
        "reported-exception-only-type",
        ENDED_BADLY,
        "FAILED",
        "AGENT_EXCEPTION",
        "KeyError",
        reported("AGENT_EXCEPTION", "KeyError"),
    ),
    Row(
        "reported-timeout-while-installing",
        ENDED_BADLY,
        "TIMED_OUT",
        "TIMED_OUT",
        "not installed within 600 s",
        installing("TIMED_OUT", message="The requirements were not installed within 600 s."),
        stage=Stage.BUILD,
    ),
    Row("reported-timeout", ENDED_BADLY, "TIMED_OUT", "TIMED_OUT", result=reported("TIMED_OUT")),
    Row("reported-nothing-in-particular", ENDED_BADLY, "FAILED", "INTERNAL", result=reported(None)),
    # -- memory
    Row("killed-agent-was-out-of-memory", OUT_OF_MEMORY, "FAILED", "OUT_OF_MEMORY", result=reported("AGENT_EXITED")),
    Row(
        "memory-error-was-out-of-memory",
        OUT_OF_MEMORY,
        "FAILED",
        "OUT_OF_MEMORY",
        result=reported("AGENT_EXCEPTION", "MemoryError"),
    ),
    Row(
        "killed-installer-was-out-of-memory",
        OUT_OF_MEMORY,
        "FAILED",
        "OUT_OF_MEMORY",
        "Installing the requirements took more memory",
        installing("DEPENDENCY_INSTALL_FAILED", message="noise"),
        stage=Stage.BUILD,
    ),
    Row(
        "out-of-memory-with-its-limit",
        OUT_OF_MEMORY,
        "FAILED",
        "OUT_OF_MEMORY",
        "more memory than its limit of 256 MiB.",
        stage=Stage.RUN,
        more={"memory_mib": 256},
    ),
    Row("other-failure-stays-itself", OUT_OF_MEMORY, "FAILED", "RESULT_TOO_LARGE", result=reported("RESULT_TOO_LARGE")),
    Row("out-of-memory-without-a-word", OUT_OF_MEMORY, "FAILED", "OUT_OF_MEMORY"),
    Row("out-of-memory-and-broken-result", OUT_OF_MEMORY, "FAILED", "OUT_OF_MEMORY", more=PROBLEM),
    # -- we told it to stop
    Row(
        "cancelled",
        Sighting(Phase.STOPPED, 143),
        "FAILED",
        "CANCELLED",
        "Cancelled by bob while it ran: too slow",
        reported("CANCELLED"),
        more=BY_BOB,
    ),
    Row(
        "cancelled-without-a-word",
        Sighting(Phase.STOPPED, 137),
        "FAILED",
        "CANCELLED",
        "Cancelled while it ran.",
        more={"told_to_stop": CANCEL},
    ),
    Row(
        "cancelled-while-installing",  # case 50
        ENDED_BADLY,
        "FAILED",
        "CANCELLED",
        "Cancelled by bob while its requirements were installed: too slow",
        installing("CANCELLED", message="Stopped while the requirements were installed."),
        stage=Stage.BUILD,
        more=BY_BOB,
    ),
    Row(
        "cancelled-while-installing-without-a-word",
        Sighting(Phase.STOPPED, 143),
        "FAILED",
        "CANCELLED",
        "Cancelled while its requirements were installed.",
        stage=Stage.BUILD,
        more={"told_to_stop": CANCEL, "state": State.BUILDING, "installs": True},
    ),
    Row(
        "cancelled-before-its-container-began",
        Sighting(Phase.STOPPED),
        "FAILED",
        "CANCELLED",
        "Cancelled before it ran.",
        stage=Stage.BUILD,
        more={"told_to_stop": CANCEL, "state": State.BUILDING, "installs": True},
    ),
    Row(
        "cancelled-before-it-ran-without-a-word",
        Sighting(Phase.STOPPED, 137),
        "FAILED",
        "CANCELLED",
        "Cancelled before it ran.",
        stage=Stage.BUILD,
        more={"told_to_stop": CANCEL, "state": State.BUILDING},
    ),
    Row(
        "cancelled-while-it-ran-whatever-the-test-was-told-to-be",
        ENDED_BADLY,
        "FAILED",
        "CANCELLED",
        "Cancelled by bob while it ran",
        HarnessResult(nonce="n", success=False, phases=HarnessPhases(build_ms=1.0, run_ms=5.0)),
        stage=Stage.RUN,
        more={**BY_BOB, "state": State.BUILDING},
    ),
    Row("cancelled-and-missing", MISSING, "FAILED", "CANCELLED", more=BY_BOB),
    Row("cancelled-and-out-of-memory", OUT_OF_MEMORY, "FAILED", "CANCELLED", more=BY_BOB),
    Row(
        "cancelled-while-it-failed-by-itself",
        ENDED_BADLY,
        "FAILED",
        "CANCELLED",
        result=reported("AGENT_EXCEPTION"),
        more=BY_BOB,
    ),
    Row("cancelled-with-broken-result", ENDED_BADLY, "FAILED", "CANCELLED", more={**BY_BOB, **PROBLEM}),
    Row(
        "deadline",
        Sighting(Phase.STOPPED, 143),
        "TIMED_OUT",
        "TIMED_OUT",
        "time limit of 30 s",
        reported("CANCELLED"),
        more={"told_to_stop": DEADLINE},
    ),
    Row(
        "deadline-without-a-word",
        Sighting(Phase.STOPPED, 137),
        "TIMED_OUT",
        "TIMED_OUT",
        more={"told_to_stop": DEADLINE},
    ),
    Row("deadline-and-missing", MISSING, "TIMED_OUT", "TIMED_OUT", more={"told_to_stop": DEADLINE}),
    # -- not the agent's fault: tried again, three times in all
    Row("missing", MISSING, "QUEUED", "TASK_LOST"),
    Row("missing-in-attempt-2", MISSING, "QUEUED", "TASK_LOST", more={"attempt": 2}),
    Row("missing-in-attempt-3", MISSING, "FAILED", "TASK_LOST", more={"attempt": 3}),
    Row(
        "stopped-from-outside",
        Sighting(Phase.STOPPED, 143),
        "QUEUED",
        "TASK_LOST",
        "stopped from outside",
        reported("CANCELLED"),
    ),
    Row(
        "stopped-from-outside-in-attempt-3",
        Sighting(Phase.STOPPED, 143),
        "FAILED",
        "TASK_LOST",
        result=reported("CANCELLED"),
        more={"attempt": 3},
    ),
    Row("no-result-clean-exit", ENDED_WELL, "QUEUED", "TASK_LOST", "with exit code 0."),
    Row("no-result-killed", Sighting(Phase.STOPPED, -9), "QUEUED", "TASK_LOST", "killed by SIGKILL."),
    Row("no-result-killed-as-a-shell-says", Sighting(Phase.STOPPED, 137), "QUEUED", "TASK_LOST", "killed by SIGKILL."),
    Row("no-result-told-to-end", Sighting(Phase.STOPPED, 143), "QUEUED", "TASK_LOST", "killed by SIGTERM."),
    Row("no-result-got-through", Sighting(Phase.STOPPED, 75), "QUEUED", "TASK_LOST", "with exit code 75."),
    Row("no-result-no-exit-code", Sighting(Phase.STOPPED), "QUEUED", "TASK_LOST", "an unknown exit code."),
    Row(
        "no-result-with-reason",
        Sighting(Phase.STOPPED, 137, stop_reason="host gone"),
        "QUEUED",
        "TASK_LOST",
        "(host gone).",
    ),
    # -- the harness broke off by itself: what an agent could do to it once, it could do three times
    Row("harness-broke", ENDED_BADLY, "FAILED", "AGENT_EXITED", "with exit code 1: nobody stopped it from outside."),
    Row("harness-broke-oddly", Sighting(Phase.STOPPED, 255), "FAILED", "AGENT_EXITED", "with exit code 255:"),
    Row("harness-crashed", Sighting(Phase.STOPPED, 139), "FAILED", "AGENT_EXITED", "killed by SIGSEGV:"),
    Row("harness-wrote-too-much", Sighting(Phase.STOPPED, -25), "FAILED", "AGENT_EXITED", "killed by SIGXFSZ:"),
    Row("harness-broke-when-cancelled", ENDED_BADLY, "FAILED", "CANCELLED", more=BY_BOB),
    # -- what the platform itself says
    Row("spot", said("SPOT_INTERRUPTED"), "QUEUED", "SPOT_INTERRUPTED", "taken away (as ECS says)."),
    Row(
        "spot-and-the-harness-was-told",
        said("SPOT_INTERRUPTED"),
        "QUEUED",
        "SPOT_INTERRUPTED",
        "as ECS says",
        reported("CANCELLED"),
    ),
    Row("spot-after-the-answer", said("SPOT_INTERRUPTED"), "COMPLETED", None, result=answered()),
    Row("spot-and-cancelled", said("SPOT_INTERRUPTED"), "FAILED", "CANCELLED", more=BY_BOB),
    Row(
        "spot-after-a-failure-of-the-agent",
        said("SPOT_INTERRUPTED"),
        "FAILED",
        "AGENT_EXCEPTION",
        result=reported("AGENT_EXCEPTION"),
    ),
    Row("image-not-found", said("IMAGE_PULL_FAILED"), "FAILED", "IMAGE_PULL_FAILED", stage=Stage.LAUNCH),
    Row("never-started", said("TASK_START_TIMEOUT"), "QUEUED", "TASK_START_TIMEOUT", stage=Stage.LAUNCH),
    Row("secret-not-there", said("CREDENTIALS_INVALID"), "FAILED", "CREDENTIALS_INVALID", "as ECS says"),
    Row("platform-says-and-broken-result", said("TASK_LOST"), "QUEUED", "TASK_LOST", more=PROBLEM),
    # -- a result that is none
    Row("nonce-mismatch", ENDED_WELL, "FAILED", "INTERNAL", "nonce is another one", stage=Stage.RESULT, more=PROBLEM),
    Row("broken-result-and-missing", MISSING, "FAILED", "INTERNAL", stage=Stage.RESULT, more=PROBLEM),
]


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_an_ending_is_judged(row: Row) -> None:
    given: dict[str, Any] = {"attempt": 1, **row.more}
    verdict = judge(Evidence(timeout_s=30, sighting=row.sighting, result=row.result, **given))
    assert verdict.to == row.to
    if row.code is None:
        assert verdict.failure is None
        return
    assert verdict.failure is not None
    assert verdict.failure.code == row.code
    assert row.says in verdict.failure.message
    assert verdict.failure.message
    broke_off = verdict.failure.code is FailureCode.AGENT_EXITED and row.result is None
    if not broke_off and not (
        verdict.failure.code is FailureCode.OUT_OF_MEMORY and verdict.failure.stage is Stage.BUILD
    ):
        assert verdict.failure.hint == KINDS[verdict.failure.code].hint
    assert row.stage is None or verdict.failure.stage is row.stage


def test_every_row_has_its_own_name() -> None:
    assert len({row.name for row in TABLE}) == len(TABLE)


def test_every_code_that_a_harness_can_report_has_a_row() -> None:
    covered = {row.result.code for row in TABLE if row.result and row.result.code}
    infrastructure = {code for code, kind in KINDS.items() if kind.stage is Stage.LAUNCH or kind.retryable}
    assert set(FailureCode) - covered <= infrastructure | {FailureCode.QUEUE_TIMEOUT, FailureCode.INTERNAL}


def test_every_verdict_is_a_move_that_a_running_test_can_make() -> None:
    assert {State(row.to) for row in TABLE} == MOVES[State.RUNNING]


def test_a_hint_of_the_harness_goes_before_the_usual_one() -> None:
    error = HarnessError(type="KeyError", message="'KEY'", hint="Set KEY with --env KEY.")
    result = HarnessResult(nonce="n", success=False, code=FailureCode.AGENT_IMPORT_ERROR, error=error)
    told = judge(Evidence(attempt=1, timeout_s=30, sighting=ENDED_BADLY, result=result)).failure
    usual = judge(Evidence(attempt=1, timeout_s=30, sighting=ENDED_BADLY, result=reported("AGENT_EXITED"))).failure
    assert told
    assert told.hint == "Set KEY with --env KEY."
    assert usual
    assert usual.hint == KINDS[FailureCode.AGENT_EXITED].hint


@pytest.mark.parametrize(
    ("code", "kind", "said", "message"),
    [
        ("AGENT_IMPORT_ERROR", "KeyError", "OPENAI_API_KEY", "KeyError: OPENAI_API_KEY"),
        ("AGENT_IMPORT_ERROR", "SyntaxError", "agent.py, line 3: bad", "agent.py, line 3: bad"),
        ("AGENT_IMPORT_ERROR", "KeyError", "KeyError: 'a'", "KeyError: 'a'"),
        ("AGENT_EXCEPTION", "ValueError", "x", "ValueError: x"),
        ("AGENT_EXITED", "SystemExit", "It ended.", "It ended."),
    ],
)
def test_exceptions_are_told_with_their_type_once(code: str, kind: str, said: str, message: str) -> None:
    error = HarnessError(type=kind, message=said)
    result = HarnessResult(nonce="n", success=False, code=FailureCode(code), error=error)
    told = judge(Evidence(attempt=1, timeout_s=30, sighting=ENDED_BADLY, result=result)).failure
    assert told
    assert told.message == message
