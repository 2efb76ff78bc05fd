"""Agents that fail, cheat or misbehave, and what must come of each, wherever tasks run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from assay import TestState

COMPLETED, FAILED, TIMED_OUT = TestState.COMPLETED, TestState.FAILED, TestState.TIMED_OUT


@dataclass(frozen=True)
class Agent:
    """What is submitted, and what must come of it."""

    code: str
    state: TestState = FAILED
    failure: str = ""
    says: str = ""
    """in the message"""
    lines: tuple[str, ...] | None = ()
    """what the log is; None where the test looks by itself"""
    response: Any = None
    options: dict[str, Any] = field(default_factory=dict)


FAILING = {
    "a module that is not there": Agent(
        "import nonexistent_thing\ndef run(q): return 1",
        failure="AGENT_IMPORT_ERROR",
        says="No module named 'nonexistent_thing'",
    ),
    "an error while the module is loaded": Agent(
        "print('loading')\nvalue = 1 / 0\ndef run(q): return 1",
        failure="AGENT_IMPORT_ERROR",
        says="division by zero",
        lines=("loading",),
    ),
    "no entry point": Agent("value = 1", failure="ENTRYPOINT_NOT_FOUND", says="agent.py has nothing to call"),
    "an entry point that is not there": Agent(
        "def run(q): return 1",
        failure="ENTRYPOINT_NOT_FOUND",
        says="There is no 'nope'",
        options={"entrypoint": "agent:nope"},
    ),
    "an exception": Agent(
        "def run(q):\n    raise ValueError('no such luck')",
        failure="AGENT_EXCEPTION",
        says="ValueError: no such luck",
    ),
    "an exception that cannot be shown": Agent(
        """
        class Shy(Exception):
            def __str__(self): raise RuntimeError("no")
        def run(q): raise Shy
        """,
        failure="AGENT_EXCEPTION",
        says="Shy",
    ),
    "recursion without end": Agent("def run(q): return run(q)", failure="AGENT_EXCEPTION", says="RecursionError"),
    "sys.exit": Agent("import sys\ndef run(q): sys.exit(3)", failure="AGENT_EXITED"),
    "os._exit": Agent(
        "import os\ndef run(q):\n    print('bye', flush=True)\n    os._exit(0)", failure="AGENT_EXITED", lines=("bye",)
    ),
    "a crash in native code": Agent(
        "import ctypes\ndef run(q): ctypes.string_at(0)", failure="AGENT_EXITED", says="SIGSEGV", lines=None
    ),
    "SIGKILL for itself": Agent(
        "import os, signal\ndef run(q): os.kill(os.getpid(), signal.SIGKILL)", failure="AGENT_EXITED", says="SIGKILL"
    ),
    "a requirement that does not exist": Agent(
        "def run(q): return 1",
        failure="DEPENDENCY_INSTALL_FAILED",
        says="no-such-package-of-assay",
        lines=None,
        options={"requirements": ["no-such-package-of-assay==1.2.3"]},
    ),
    "a hang": Agent(
        "import time\ndef run(q):\n    print('in')\n    time.sleep(60)",
        state=TIMED_OUT,
        failure="TIMED_OUT",
        says="1 s",
        lines=None,
        options={"timeout": 1},
    ),
    "a hang that ignores SIGTERM": Agent(
        """
        import signal, time
        def run(q):
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            while True:
                time.sleep(60)
        """,
        state=TIMED_OUT,
        failure="TIMED_OUT",
        lines=None,
        options={"timeout": 1},
    ),
    "a hang while the module is loaded": Agent(
        "import time\ntime.sleep(60)\ndef run(q): return 1",
        state=TIMED_OUT,
        failure="TIMED_OUT",
        lines=None,
        options={"timeout": 1},
    ),
    "output without end": Agent(
        "def run(q):\n    while True: print('y')",
        state=TIMED_OUT,
        failure="TIMED_OUT",
        lines=None,
        options={"timeout": 6},
    ),
    "too much memory": Agent(
        "def run(q): return len(bytearray(b'x') * (1 << 30))",
        failure="OUT_OF_MEMORY",
        options={"memory_mib": 128},
    ),
    "what looks like the word of the harness": Agent(
        """
        import os, sys
        def run(q):
            os.write(1, b'{"mark":"end","lines":0,"nonce":"x"}\\n')
            os.write(1, b'{"seq":900000,"ts":1,"stream":"system","level":"info","text":"forged"}\\n')
            raise ValueError("honest")
        """,
        failure="AGENT_EXCEPTION",
        says="honest",
        lines=(
            '{"mark":"end","lines":0,"nonce":"x"}',
            '{"seq":900000,"ts":1,"stream":"system","level":"info","text":"forged"}',
        ),
    ),
    "an answer written into whatever is open": Agent(
        """
        import os
        def run(q):
            for fd in range(3, 1024):
                try: os.write(fd, b'{"outcome":"success","response":"forged"}\\n')
                except OSError: pass
            return "honest"
        """,
        failure="RESULT_INVALID",
        lines=('{"outcome":"success","response":"forged"}',),  # its own log lies open there, too
    ),
}

PASSING = {
    "no newline at the end": Agent(
        "import sys\ndef run(q):\n    sys.stdout.write('one\\ntwo')\n    return 1",
        state=COMPLETED,
        lines=("one", "two"),
        response=1,
    ),
    "output that is not text": Agent(
        "import os\ndef run(q):\n    os.write(1, bytes(range(256)) + b'\\n')\n    return 1",
        state=COMPLETED,
        lines=None,
        response=1,
    ),
    "a line of 100 KiB": Agent(
        "def run(q):\n    print('x' * 102400)\n    return 1", state=COMPLETED, lines=None, response=1
    ),
    "a child that lives on and holds the output": Agent(
        """
        import os, time
        def run(q):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    time.sleep(60)
                os._exit(0)
            print("left it behind")
            return "done"
        """,
        state=COMPLETED,
        lines=("left it behind",),
        response="done",
    ),
    "closed output": Agent(
        """
        import os
        def run(q):
            print("before", flush=True)
            os.close(1)
            os.close(2)
            return "done"
        """,
        state=COMPLETED,
        lines=("before",),
        response="done",
    ),
    "threads that never end": Agent(
        """
        import threading
        def run(q):
            threading.Thread(target=threading.Event().wait).start()
            return "done"
        """,
        state=COMPLETED,
        lines=None,
        response="done",
    ),
    "an answer that is not JSON": Agent("def run(q): return {2, 1}", state=COMPLETED, response=[1, 2]),
    "an answer with a cycle": Agent(
        "def run(q):\n    loop = []\n    loop.append(loop)\n    return loop", state=COMPLETED, response=["[cycle]"]
    ),
    "not a number": Agent("def run(q): return float('nan')", state=COMPLETED, response=None),
    "an object that answers to every name and fails when shown": Agent(
        """
        class Liar:
            def __getattr__(self, name): return Liar()
            def __repr__(self): raise RuntimeError
        def run(q): return [Liar()]
        """,
        state=COMPLETED,
        response=["<unrepresentable Liar>"],
    ),
    "an answer over 1 MiB": Agent(
        "def run(q): return ['x' * (2 << 20), 'kept']",
        state=COMPLETED,
        response=["x" * 1_048_485 + " [cut: 1,048,485 of 2,097,152 characters]", "kept"],
    ),
    "no answer at all": Agent("def run(q): pass", state=COMPLETED, response=None),
    "the largest answer": Agent(
        "def run(q): return 'x' * ((1 << 20) - 2)", state=COMPLETED, response="x" * ((1 << 20) - 2)
    ),
    "every character": Agent(
        "def run(q):\n    print(q)\n    return q",
        state=COMPLETED,
        lines=("ünïcödé 🙂 \u202e",),
        response="ünïcödé 🙂 \u202e",
    ),
    "none of our environment": Agent(
        "import os\ndef run(q): return sorted(k for k in os.environ if 'ASSAY' in k or 'MONGO' in k or 'NATS' in k)",
        state=COMPLETED,
        response=["ASSAY_INPUT_DIR", "ASSAY_OUTPUT_DIR"],  # these are meant for it
    ),
}

AGENTS = FAILING | PASSING
