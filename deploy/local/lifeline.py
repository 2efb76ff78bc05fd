"""Ties a child process to ours and finds those that outlived us: by pid and start time, never by name.

Knows Linux processes; must not know what any of them does.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

ORPHAN_GRACE_S = 10.0  # mongod writes a last checkpoint when asked to stop


def tied_to_us(command: Sequence[str]) -> list[str]:
    """The command line that asks the kernel to end the child with SIGTERM when we die, SIGKILL included.

    The kernel watches the thread that forks and not the process (prctl(2), PR_SET_PDEATHSIG), so this is sound only
    from the main thread. `setpriv` sets it between fork and exec without running Python there. A parent that dies
    before that leaves an orphan, which the pid file lets the next start clean up.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None or threading.current_thread() is not threading.main_thread():
        return list(command)
    return [setpriv, "--pdeathsig", "TERM", "--", *command]


def started_at(pid: int) -> str | None:
    """When that process started, in a form that only compares for equality; None when it is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self/stat").exists():
            return None
        asked = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return asked.stdout.strip() or None
    # The name stands in parentheses and may hold anything, so fields are counted from the last closing one (proc(5)).
    fields = stat.rpartition(")")[2].split()
    state, start_ticks = fields[0], fields[19]
    return None if state in "ZX" else start_ticks


def record(pid_file: Path, pid: int) -> None:
    started = started_at(pid)
    if started is None:
        return
    temporary = pid_file.with_suffix(".new")
    temporary.write_text(json.dumps({"pid": pid, "started": started, "boot": _boot()}), "utf-8")
    temporary.replace(pid_file)


def end_recorded(pid_file: Path, *, grace_s: float = ORPHAN_GRACE_S) -> int | None:
    """Ends the process that the file names, if it still is that very process; returns its pid if it was alive."""
    try:
        recorded = json.loads(pid_file.read_text("utf-8"))
        pid, started, boot = int(recorded["pid"]), str(recorded["started"]), str(recorded["boot"])
    except (OSError, ValueError, KeyError, TypeError):
        pid_file.unlink(missing_ok=True)
        return None
    alive = boot == _boot() and started_at(pid) == started
    if alive:
        end(pid, started, grace_s=grace_s)
    pid_file.unlink(missing_ok=True)
    return pid if alive else None


def end(pid: int, started: str, *, grace_s: float) -> None:
    """SIGTERM, then SIGKILL after `grace_s`; waits until it is gone. For what is not our child."""
    for order, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, grace_s)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, order)
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if started_at(pid) != started:
                return
            time.sleep(0.01)
    raise TimeoutError(f"process {pid} is still there after SIGKILL")


def own_age_s() -> float:
    """Since when this process is there, interpreter and imports included; 0 where the system does not say."""
    ticks = started_at(os.getpid()) or ""
    if not ticks.isdecimal():
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(ticks) / os.sysconf("SC_CLK_TCK")


def _boot() -> str:
    # Pids and start ticks begin anew with each boot.
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""
