"""What the facts of an ended task mean: a pure decision with a table of cases as its test."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import Final

from services.orchestrator.ports import Phase, Sighting
from shared.domain.failure import FailureCode

STOPPED_BEFORE_START: Final = Sighting(
    Phase.STOPPED, exit_code=128 + signal.SIGTERM, stop_code="Stopped", stop_reason="stopped before it was started"
)


def of_ended(
    *, exit_code: int | None, out_of_memory: bool, stop_asked: bool, same_boot: bool, complaint: str
) -> Sighting:
    """The sighting of a task whose process is no more; `complaint` is the last line on its standard error."""
    if exit_code is None:
        if not same_boot:
            return Sighting(Phase.MISSING, stop_reason="the machine was restarted while the task ran")
        if complaint.startswith("bwrap: "):
            return Sighting(Phase.STOPPED, stop_code="SandboxFailed", stop_reason=complaint)
        reason = "stopped while it was being started" if stop_asked else "killed from outside"
        return Sighting(Phase.STOPPED, stop_code="Killed", stop_reason=reason, out_of_memory=out_of_memory)
    reason = f"killed by {_name(exit_code - 128)}" if exit_code > 128 else f"exit code {exit_code}"
    if exit_code not in {0, 1} and complaint:
        reason += f": {complaint}"
    code = "Stopped" if stop_asked else "Exited"
    return Sighting(Phase.STOPPED, exit_code, stop_code=code, stop_reason=reason, out_of_memory=out_of_memory)


def too_large(ended: Sighting, mib: int) -> Sighting:
    """The same of an installation that was ended because it took too much of the disk."""
    reason = f"they took more than the {mib} MiB of disk that there are for it"
    return replace(ended, stop_reason=reason, cause=FailureCode.DEPENDENCY_INSTALL_FAILED)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
