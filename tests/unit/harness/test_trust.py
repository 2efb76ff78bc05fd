"""What an agent cannot find out or forge: the nonce, the harness's files and memory. In a sandbox, as PID 1's child."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.harness.started import NONCE, SYSTEM_PYTHON, run

pytestmark = pytest.mark.usefixtures("sandbox")
EITHER_WAY = pytest.mark.parametrize("python", [None, SYSTEM_PYTHON], ids=["forked", "started-anew"])

SEARCH = """
import glob, os, sys

def readable(pid):
    found = {}
    for name in ("environ", "maps", "mem", "fd", "fdinfo", "io", "syscall", "stack", "root", "cwd", "exe", "auxv"):
        path = f"/proc/{pid}/{name}"
        try:
            if name in ("fd", "fdinfo"): found[name] = os.listdir(path)
            elif name in ("root", "cwd", "exe"): found[name] = os.readlink(path)
            else:
                with open(path, "rb") as f: found[name] = len(f.read(64))
        except OSError as e:
            pass
    for fd in range(64):
        for kind in ("fd", "fdinfo"):
            try:
                with open(f"/proc/{pid}/{kind}/{fd}", "r+b") as f: found[f"{kind}/{fd}"] = True
            except OSError: pass
    return found

def memory_of_self():
    # Everything this process can read of itself, searched for a word that is put together only here.
    word = bytes.fromhex(bytes(reversed(WORD)).hex())
    hits = 0
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as mem:
        for line in maps:
            area, rights = line.split()[:2]
            if "r" not in rights or "[v" in line: continue
            start, end = (int(x, 16) for x in area.split("-"))
            try:
                mem.seek(start)
                data = mem.read(end - start)
            except (OSError, OverflowError, ValueError):
                continue
            hits += data.count(word)
            del data
    return hits - 1  # `word` itself
"""


def reversed_bytes(text: str) -> bytes:
    return bytes(reversed(text.encode()))


@EITHER_WAY
def test_nothing_of_the_harness_can_be_read_or_opened(python: str | None) -> None:
    code = SEARCH + "\ndef run(q): return [os.getppid(), readable(1), readable(os.getppid())]"
    assert run(code, python=python, sandbox=True).response == [1, {}, {}]


@EITHER_WAY
def test_the_nonce_is_nowhere_in_the_memory_of_the_agent(python: str | None) -> None:
    code = f"WORD = {reversed_bytes(NONCE)!r}\n{SEARCH}\ndef run(q): return memory_of_self()"
    assert run(code, python=python, sandbox=True).response == 0


def test_the_search_finds_what_is_there() -> None:
    code = f"WORD = {reversed_bytes('a-needle-in-the-haystack')!r}\n{SEARCH}\nKEPT = ['a-needle-in-the-', 'haystack']\n"
    code += "def run(q):\n    joined = ''.join(KEPT)\n    return [memory_of_self() >= 1, len(joined)]"
    assert run(code, sandbox=True).response == [True, 24]


@EITHER_WAY
def test_the_agent_has_only_its_own_files_open(python: str | None) -> None:
    code = """
        import os, stat
        def run(q):
            found = {}
            for fd in range(256):
                try: mode = os.fstat(fd).st_mode
                except OSError: continue
                try: writable = os.write(fd, b"") == 0
                except OSError: writable = False
                found[fd] = "pipe" if stat.S_ISFIFO(mode) else os.readlink(f"/proc/self/fd/{fd}")
            return found
    """
    found: dict[str, Any] = run(code, python=python, sandbox=True).response
    assert found.pop("0") == "/dev/null"
    assert found.pop("1") == found.pop("2") == "pipe"
    assert list(found.values()) == ["pipe", "pipe"]  # its ways to answer, and to say where it was when it died


FORGER = """
import os, stat
def run(q):
    for fd in range(3, 256):
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode): os.write(fd, SAID)
        except OSError: pass
    os._exit(0)
"""

FORGED: dict[str, tuple[str, str | None]] = {
    "an answer": ("""b'{"response": 1, "usage": {"input_tokens": -5, "output_tokens": "x"}}\\n'""", None),
    "two answers": ("""b'{"response": 1, "usage": null}\\n{"response": 2, "usage": null}\\n'""", None),
    "not a number": ("""b'{"response": NaN, "usage": null}\\n'""", "RESULT_INVALID"),
    "half a surrogate": (r"""b'{"response": "\ud800", "usage": null}\n'""", "RESULT_INVALID"),
    "too many digits": ("""b'{"response": ' + b"9" * 5000 + b', "usage": null}\\n'""", "RESULT_INVALID"),
    "too deep to read": ("b'[' * 100_000 + b'\\n'", "RESULT_INVALID"),
    "no JSON": ("b'garbage\\n'", "RESULT_INVALID"),
    "no text": ("b'\\xff\\n'", "RESULT_INVALID"),
    "a list": ("b'[]\\n'", "RESULT_INVALID"),
    "nothing": ("b'{}\\n'", "RESULT_INVALID"),
    "a text": ("""b'"code"\\n'""", "RESULT_INVALID"),
    "a code that is not its own": (
        """b'{"code": "TIMED_OUT", "error": {"type": 1, "message": null, "traceback": 2}}\\n'""",
        "AGENT_EXITED",
    ),
    "a code that is none": (
        """b'{"code": ["x"], "error": {"type": 1, "message": "m", "traceback": 2}}\\n'""",
        "AGENT_EXITED",
    ),
    "an error that is none": ("""b'{"code": "AGENT_EXCEPTION", "error": []}\\n'""", "RESULT_INVALID"),
    "half a surrogate as its error": (
        r"""b'{"code": "AGENT_EXCEPTION", "error": {"type": "\ud800", "message": "\ud800", "traceback": ""}}\n'""",
        "AGENT_EXCEPTION",
    ),
    "a huge error": (
        """b'{"code": "AGENT_EXITED", "error": {"type": 1, "traceback": 2, "message": "' + b"m" * 9**5 + b'"}}\\n'""",
        "AGENT_EXITED",
    ),
    "half a message": ("""b'{"response": 1'""", "AGENT_EXITED"),
    "more than may be": ("b'x' * 3_000_000", "RESULT_TOO_LARGE"),
    "a large answer": ("""b'{"response": "' + b"x" * 1_100_000 + b'", "usage": null}\\n'""", "RESULT_TOO_LARGE"),
}


@pytest.mark.parametrize("name", FORGED)
def test_writing_on_the_way_to_answer_forges_no_more_than_the_own_answer(name: str) -> None:
    said, expected = FORGED[name]
    outcome = run(f"SAID = {said}\n{FORGER}", sandbox=True)
    assert outcome.code == expected
    assert outcome.result["usage"] is None or expected is None
    assert len(str(outcome.result["error"])) < 20_000


def test_notes_on_conversions_and_a_hint_are_bounded() -> None:
    notes = [{"path": "p" * 9000, "type": 1}, "x", *[{"path": "a"}] * 500]
    message = json.dumps({"response": 1, "usage": None, "conversions": notes}).encode() + b"\n"
    told = run(f"SAID = {message!r}\n{FORGER}", sandbox=True).result["conversions"]
    assert (len(told), len(told[0]["path"]), told[0]["type"]) == (99, 300, "")
    error = {"type": "", "message": "m", "traceback": "", "hint": "h" * 9000}
    message = json.dumps({"code": "AGENT_EXCEPTION", "error": error}).encode() + b"\n"
    assert len(run(f"SAID = {message!r}\n{FORGER}", sandbox=True).result["error"]["hint"]) == 500


def test_a_sigterm_from_inside_is_no_cancellation() -> None:
    code = (
        "import os, signal, time\ndef run(q):\n    os.kill(1, signal.SIGTERM)\n    time.sleep(0.2)\n    return 'ran on'"
    )
    assert run(code, sandbox=True).response == "ran on"


def test_the_harness_cannot_be_traced() -> None:
    code = """
        import ctypes
        def run(q):
            libc = ctypes.CDLL(None, use_errno=True)
            return [libc.ptrace(16, 1, 0, 0), ctypes.get_errno() in (1, 13)]
    """
    assert run(code, sandbox=True).response == [-1, True]


def test_the_agent_may_look_at_itself() -> None:
    code = "import os\ndef run(q): return [os.readlink('/proc/self/fd/0'), 'VmRSS' in open('/proc/self/status').read()]"
    assert run(code, sandbox=True).response == ["/dev/null", True]
