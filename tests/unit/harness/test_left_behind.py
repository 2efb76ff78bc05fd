"""Agents that leave processes, close what they should not, or fight whoever runs them. Plain, and in a sandbox."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.support.until import until
from tests.unit.harness.started import Outcome, context, run, started, why_no_sandbox

Run = Callable[..., Outcome]

DAEMON = """
import os, signal, sys, time
def daemon(name):
    if os.fork() == 0:
        os.setsid()
        if os.fork() != 0: os._exit(0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if name: os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(300)", name])
        while True: time.sleep(1)
"""


@pytest.fixture(params=[False, True], ids=["plain", "sandbox"])
def outcome_of(request: pytest.FixtureRequest) -> Run:
    """`run`, once as a plain process and once as PID 1."""
    if request.param and (reason := why_no_sandbox()):
        pytest.skip(reason)
    return partial(run, sandbox=request.param)


def processes_named(name: str) -> list[str]:
    """Pids whose command line has this word."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and name in (folder / "cmdline").read_text():
                found.append(folder.name)
        except OSError:
            continue  # it has ended meanwhile
    return found


def children_of(pid: int) -> list[int]:
    """Pids of its children."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if stat.read_text().rpartition(")")[2].split()[1] == str(pid):
                found.append(int(stat.parent.name))
        except OSError:
            continue  # it has ended meanwhile
    return found


async def test_a_daemon_that_holds_stdout_ends_with_its_agent(outcome_of: Run) -> None:
    name = f"daemon-{uuid.uuid4().hex}"
    began = time.monotonic()
    outcome = outcome_of(f"{DAEMON}\ndef run(q):\n    daemon({name!r})\n    time.sleep(0.3)\n    return 'done'")
    assert outcome.response == "done"
    assert time.monotonic() - began < 5
    await until(lambda: not processes_named(name))


async def test_a_hundred_children_end_with_their_agent(outcome_of: Run) -> None:
    name = f"child-{uuid.uuid4().hex}"
    code = f"""
        import subprocess, sys
        def run(q):
            for _ in range(20): subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(300)", {name!r}])
            return "done"
    """
    assert outcome_of(code).response == "done"
    await until(lambda: not processes_named(name))


def test_an_agent_that_becomes_a_daemon_has_exited(outcome_of: Run) -> None:
    code = """
        import os, time
        def run(q):
            if os.fork() != 0: os._exit(0)
            os.setsid()
            time.sleep(60)
            return "never"
    """
    outcome = outcome_of(code)
    assert outcome.code == "AGENT_EXITED"
    assert outcome.result["phases"]["run_ms"] < 5000


def test_a_fork_that_returns_is_not_the_agent(outcome_of: Run) -> None:
    code = """
        import os, time
        def run(q):
            if os.fork() == 0:
                print("copy")
                return "copy"
            os.wait()
            return "original"
    """
    outcome = outcome_of(code)
    assert outcome.response == "original"
    assert outcome.text == "copy"


def test_a_fork_at_import_gives_no_second_answer(outcome_of: Run) -> None:
    code = """
        import os
        copy = os.fork() == 0
        def run(q):
            if not copy: os.wait()
            return "copy" if copy else "original"
    """
    assert outcome_of(code).response == "original"


def test_a_fork_that_raises_shows_it_and_is_not_the_agent(outcome_of: Run) -> None:
    code = """
        import os
        def run(q):
            if os.fork() == 0: raise ValueError("in the copy")
            return os.waitstatus_to_exitcode(os.wait()[1])
    """
    outcome = outcome_of(code)
    assert outcome.response == 1
    assert "ValueError: in the copy" in outcome.text


def test_a_fork_that_leaves_by_sys_exit_leaves_the_answer_alone(outcome_of: Run) -> None:
    code = """
        import os, sys
        def run(q):
            if os.fork() == 0: sys.exit(5)
            return os.waitstatus_to_exitcode(os.wait()[1])
    """
    assert outcome_of(code).response == 5


def test_stdout_and_stderr_may_be_closed(outcome_of: Run) -> None:
    outcome = outcome_of(
        "import os\ndef run(q):\n    print('last')\n    os.close(1)\n    os.close(2)\n    return 'done'"
    )
    assert outcome.response == "done"
    assert outcome.text == "last"


def test_stdout_may_be_replaced(outcome_of: Run) -> None:
    code = """
        import io, sys
        def run(q):
            sys.stdout = io.StringIO()
            print("x")
            return sys.stdout.getvalue()
    """
    assert outcome_of(code).response == "x\n"


def test_closing_every_file_costs_the_answer_and_says_so(outcome_of: Run) -> None:
    outcome = outcome_of("import os\ndef run(q):\n    os.closerange(3, 256)\n    return 'done'")
    assert outcome.code == "AGENT_EXITED"
    assert "cannot be handed over" in outcome.text


def test_killing_the_parent_inside_a_sandbox_changes_nothing(sandbox: None) -> None:
    code = """
        import os, signal
        def run(q):
            for number in range(1, 65):
                try: os.kill(os.getppid(), number)
                except (OSError, ValueError): pass
            return [os.getppid(), "still here"]
    """
    assert run(code, sandbox=True).response == [1, "still here"]


def test_killing_everything_inside_a_sandbox_changes_nothing(sandbox: None) -> None:
    code = """
        import os
        def run(q):
            try: os.kill(-1, 9)
            except ProcessLookupError: return "nobody to kill"
    """
    assert run(code, sandbox=True).response == "nobody to kill"


async def test_killing_a_plain_parent_takes_the_agent_along() -> None:
    name = f"orphan-{uuid.uuid4().hex}"
    code = f"""
        import os, sys, time
        def run(q):
            os.kill(os.getppid(), 9)
            time.sleep(0.5)
            os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(300)", {name!r}])
    """
    with started(context(code)) as harness:
        assert harness.process.wait(10) == -9
        assert harness.output()[-1]["mark"] == "running"
    assert not processes_named(name)


async def test_sigterm_from_outside_reaches_process_1(sandbox: None) -> None:
    code = f"{DAEMON}\ndef run(q):\n    daemon('')\n    print('working')\n    time.sleep(60)"
    with started(context(code), sandbox=True) as harness:
        await until(lambda: any(line.get("text") == "working" for line in harness.output()))
        (inside,) = children_of(harness.process.pid)
        os.kill(inside, signal.SIGTERM)
        outcome = harness.ended(within=10)
    assert outcome.code == "CANCELLED"
    assert outcome.exit_code == 143


def test_a_storm_of_forks_ends_with_the_time(sandbox: None) -> None:
    code = """
        import os, time
        def run(q):
            born = 0
            while born < 60:
                if os.fork() == 0:
                    os.setsid()
                    while True: time.sleep(1)
                born += 1
            print(born)
            time.sleep(60)
    """
    outcome = run(code, sandbox=True, timeout_s=1)
    assert outcome.code == "TIMED_OUT"
    assert outcome.lines[0]["text"] == "60"
    assert outcome.result["phases"]["run_ms"] < 5000


def test_children_that_go_on_printing_are_cut_off(outcome_of: Run) -> None:
    code = """
        import os
        def run(q):
            if os.fork() == 0:
                os.setsid()
                while True: os.write(1, b"more\\n")
            return "done"
    """
    outcome = outcome_of(code)
    assert outcome.response == "done"


def test_raising_its_priority_for_the_out_of_memory_killer_does_not_reach_the_harness(sandbox: None) -> None:
    code = """
        def run(q):
            own = open("/proc/self/oom_score_adj").read().strip()
            try: open("/proc/1/oom_score_adj", "w").write("1000"); other = "written"
            except OSError as e: other = type(e).__name__
            return [own, other]
    """
    assert run(code, sandbox=True).response == ["1000", "PermissionError"]
