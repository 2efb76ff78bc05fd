from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from tests.support.until import until
from tests.unit.harness.started import Outcome, context, interpreters, run, started

Run = Callable[..., Outcome]

RAISING: dict[str, tuple[str, str, str]] = {
    "an exception": ("raise ValueError('no luck')", "ValueError", "no luck"),
    "an exception without text": ("raise ValueError", "ValueError", "ValueError"),
    "an exception of its own": ("class Bad(Exception): pass\n    raise Bad('x')", "Bad", "x"),
    "an interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt", "KeyboardInterrupt"),
    "an end of generation": ("raise GeneratorExit", "GeneratorExit", "GeneratorExit"),
    "endless recursion": ("return run(q)", "RecursionError", "maximum recursion depth exceeded"),
    "no memory": ("raise MemoryError", "MemoryError", "MemoryError"),
    "reading standard input": ("return input()", "EOFError", "EOF when reading a line"),
    "an exception that cannot be shown": (
        "class Bad(Exception):\n        def __str__(self): raise OSError\n    raise Bad",
        "Bad",
        "(its text cannot be shown)",
    ),
    "a huge message": ("raise ValueError('x' * 10_000_000)", "ValueError", "x" * 8192),
    "half a surrogate": ("raise ValueError('\\ud800')", "ValueError", "?"),
    "a cause": ("try: 1 / 0\n    except Exception as e: raise LookupError('outer') from e", "LookupError", "outer"),
    "a group": ("raise ExceptionGroup('several', [ValueError(1), OSError(2)])", "ExceptionGroup", "several"),
    "a closed stdout": ("import sys; sys.stdout.close(); print(1)", "ValueError", "I/O operation on closed file."),
    "a missing parameter": ("return (lambda a, b: 1)(q)", "TypeError", "missing 1 required positional argument"),
    "an await of nothing": (
        "import asyncio; asyncio.run(asyncio.wait_for(asyncio.sleep(9), 0.01))",
        "TimeoutError",
        "",
    ),
}


@pytest.mark.parametrize("name", RAISING)
def test_what_an_agent_raises_is_reported_as_it_is(name: str, outcome_of: Run) -> None:
    body, kind, message = RAISING[name]
    outcome = outcome_of(f"def run(q):\n    {body}")
    error = outcome.result["error"]
    assert outcome.code == "AGENT_EXCEPTION"
    assert error["type"] == kind
    assert message in error["message"]
    assert len(error["message"]) <= 8192
    assert len(error["traceback"]) < 33_000
    assert "test_runner" not in error["traceback"]


def test_a_traceback_shows_the_lines_of_the_agent(outcome_of: Run) -> None:
    outcome = outcome_of("def inner():\n    raise ValueError('x')\ndef run(q):\n    print('before')\n    inner()")
    traceback = outcome.result["error"]["traceback"]
    assert "agent.py" in traceback
    assert "raise ValueError('x')" in traceback
    assert "line 5, in run" in traceback
    assert outcome.text == "before"


EXITING: dict[str, tuple[str, int | None, int | None, str]] = {
    "sys.exit": ("import sys; sys.exit()", 0, None, "sys.exit(0)"),
    "sys.exit with a number": ("import sys; sys.exit(3)", 3, None, "sys.exit(3)"),
    "sys.exit with a text": ("import sys; sys.exit('no key')", 1, None, "no key"),
    "os._exit": ("import os; os._exit(0)", 0, None, "exit code 0"),
    "os._exit with a number": ("import os; os._exit(7)", 7, None, "exit code 7"),
    "os.abort": ("import os; os.abort()", None, signal.SIGABRT, "SIGABRT"),
    "killing itself": ("import os; os.kill(os.getpid(), 9)", None, signal.SIGKILL, "SIGKILL"),
    "a segmentation fault": ("import ctypes; ctypes.string_at(0)", None, signal.SIGSEGV, "SIGSEGV"),
    "becoming another program": ("import os; os.execv('/bin/true', ['true'])", 0, None, "exit code 0"),
    "a real-time signal": ("import os; os.kill(os.getpid(), 40)", None, 40, "signal 40"),
}


@pytest.mark.parametrize("name", EXITING)
def test_an_agent_that_ends_without_an_answer_says_how(name: str, outcome_of: Run) -> None:
    body, exit_code, number, message = EXITING[name]
    outcome = outcome_of(f"def run(q):\n    print('started')\n    {body}")
    assert outcome.code == "AGENT_EXITED"
    assert (outcome.result["exit_code"], outcome.result["signal"]) == (exit_code, number)
    assert message in outcome.message
    assert outcome.lines[0]["text"] == "started"


def test_sys_exit_at_import_is_an_exit_too(outcome_of: Run) -> None:
    assert outcome_of("import sys\nsys.exit(4)").code == "AGENT_EXITED"


def test_a_crash_leaves_the_stack_in_the_log(outcome_of: Run) -> None:
    outcome = outcome_of("import ctypes\ndef crashing(): ctypes.string_at(0)\ndef run(q): crashing()")
    assert "Segmentation fault" in outcome.text
    assert "in crashing" in outcome.text
    assert "test_runner" not in outcome.text


def test_an_agent_that_hangs_is_stopped_and_shows_where(outcome_of: Run) -> None:
    began = time.monotonic()
    outcome = outcome_of(
        "import time\ndef waiting(): time.sleep(60)\ndef run(q):\n    print('a')\n    waiting()", timeout_s=1
    )
    assert outcome.code == "TIMED_OUT"
    assert outcome.message == "The agent did not answer within 1 s."
    assert 900 < outcome.result["phases"]["run_ms"] < 3000
    assert time.monotonic() - began < 4
    assert outcome.lines[0]["text"] == "a"
    assert "in waiting" in outcome.text
    assert "test_runner" not in outcome.text
    assert any("time limit" in line["text"] for line in outcome.lines if line["stream"] == "system")


def test_hanging_while_the_code_loads_counts_too(outcome_of: Run) -> None:
    assert outcome_of("import time\ntime.sleep(60)", timeout_s=1).code == "TIMED_OUT"


def test_an_agent_that_ignores_sigterm_is_killed_after_a_grace(outcome_of: Run) -> None:
    code = """
        import signal, time
        def run(q):
            signal.signal(signal.SIGTERM, lambda *_: print("not me"))
            while True: time.sleep(0.1)
    """
    outcome = outcome_of(code, timeout_s=1)
    assert outcome.code == "TIMED_OUT"
    assert outcome.result["signal"] == signal.SIGKILL
    assert 2900 < outcome.result["phases"]["run_ms"] < 6000
    assert "not me" in outcome.text


def test_an_agent_stopped_in_its_tracks_is_killed(outcome_of: Run) -> None:
    outcome = outcome_of("import os, signal\ndef run(q): os.kill(os.getpid(), signal.SIGSTOP)", timeout_s=1)
    assert outcome.code == "TIMED_OUT"


def test_an_answer_in_the_grace_after_the_time_limit_is_too_late(outcome_of: Run) -> None:
    code = """
        import signal, time
        class Told(Exception): pass
        def told(*_): raise Told
        def run(q):
            signal.signal(signal.SIGTERM, told)
            try: time.sleep(60)
            except Told: return "late"
    """
    assert outcome_of(code, timeout_s=1).code == "TIMED_OUT"


def test_a_thread_that_never_ends_does_not_cost_the_answer(outcome_of: Run) -> None:
    code = """
        import threading, time
        def run(q):
            threading.Thread(target=time.sleep, args=(60,)).start()
            return "answer"
    """
    outcome = outcome_of(code, timeout_s=30)
    assert outcome.response == "answer"
    assert outcome.result["phases"]["run_ms"] < 10_000
    assert "did not end" in outcome.lines[-1]["text"] or any("did not end" in line["text"] for line in outcome.lines)


@pytest.mark.parametrize("python", interpreters(), ids=["forked", "other-interpreter"])
async def test_sigterm_ends_the_agent_and_still_reports(python: str | None) -> None:
    code = "import time\ndef run(q):\n    print('working')\n    time.sleep(60)"
    with started(context(code, python=python)) as harness:
        await until(lambda: any(line.get("text") == "working" for line in harness.output()))
        harness.process.terminate()
        outcome = harness.ended(within=10)
    assert outcome.exit_code == 143
    assert outcome.code == "CANCELLED"
    assert outcome.lines[0]["text"] == "working"
    assert outcome.marks == ["running", "finished", "end"]


async def test_sigterm_to_a_stubborn_agent_takes_the_grace_and_no_longer() -> None:
    code = """
        import signal, time
        def run(q):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print("ready")
            time.sleep(60)
    """
    with started(context(code)) as harness:
        await until(lambda: any(line.get("text") == "ready" for line in harness.output()))
        harness.process.terminate()
        outcome = harness.ended(within=5)
    assert outcome.code == "CANCELLED"
    assert outcome.result["signal"] == signal.SIGKILL


def test_used_time_and_memory_are_those_of_the_agent_and_its_children() -> None:
    code = """
        import os, time
        def burn():
            until = time.process_time() + 0.2
            while time.process_time() < until: pass
        def run(q):
            pid = os.fork()
            if pid == 0:
                block = bytearray(100 << 20)
                burn()
                os._exit(0)
            burn()
            os.waitpid(pid, 0)
            time.sleep(0.1)
    """
    result = run(code).result
    assert 0.4 <= result["cpu_s"] < 1.5
    assert 100 << 20 < result["peak_memory_bytes"] < 200 << 20
    assert result["phases"]["run_ms"] >= 300
    assert result["phases"]["build_ms"] is None


def test_a_missing_environment_is_said_so() -> None:
    outcome = run("def run(q): pass", python="/no/such/python")
    assert outcome.code == "DEPENDENCY_INSTALL_FAILED"
    assert "/no/such/python" in outcome.message


def test_a_traceback_of_a_coroutine_begins_in_the_agent(outcome_of: Run) -> None:
    traceback = outcome_of("async def run(q):\n    raise ValueError('x')").result["error"]["traceback"]
    assert traceback.splitlines()[1].endswith('agent.py", line 2, in run')


def test_a_group_of_one_is_told_as_what_is_in_it(outcome_of: Run) -> None:
    error = outcome_of("def run(q): raise ExceptionGroup('in a task group', [ValueError('x')])").result["error"]
    assert error["type"] == "ValueError"
    assert error["message"] == "x (alone in an ExceptionGroup: in a task group (1 sub-exception))"


def test_a_file_that_was_not_handed_in_is_asked_for(outcome_of: Run) -> None:
    error = outcome_of("def run(q): return open('/work/in/data/a.csv').read()").result["error"]
    assert error["hint"] == "Hand the file in with the test: --file data/a.csv=PATH."
    assert "--file" not in outcome_of("def run(q): return open('/nowhere/a.csv').read()").result["error"]["hint"]
