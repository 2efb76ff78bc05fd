"""The process that compiles agent code to see whether it is valid Python, and what is in it. Started by `syntax.py`.

Reads a length, a letter and the text. To code (`P`) it answers a length and JSON: what is wrong (`problem`; empty: it
is valid), and the facts of `code_facts.py`; to TOML (`T`) the problem and the `values`: what reads TOML takes time by
the square of how deep it is. Nothing is executed.
"""

from __future__ import annotations

import ast
import json
import resource
import signal
import sys
from pathlib import Path
from typing import Any

MOST_SECONDS = 5.0
MOST_TOML_SECONDS = 1.0
MOST_MEMORY = 1 << 30


def problem(code: str) -> str:
    """What is wrong with the code, in one line; empty where it is valid."""
    try:
        # As text: the text is what comes here and what the agent runs as, whatever encoding it declares.
        compile(code, "agent.py", "exec", dont_inherit=True)
    except SyntaxError as error:
        where = f"line {error.lineno}: " if error.lineno else ""
        return f"is not valid Python {sys.version_info[0]}.{sys.version_info[1]}: {where}{error.msg}"
    except (MemoryError, RecursionError):
        return "is nested too deeply for Python to compile it"
    except (ValueError, OverflowError, UnicodeError) as error:
        return f"is not valid Python: {error}"
    return ""


def answer(data: bytes) -> dict[str, Any]:
    """The problem, or the facts; neither where the code is too much to look at."""
    from services.gateway.submission.code_facts import facts_of

    code = data.decode()
    said = problem(code).replace("\n", " ")[:300]
    if said:
        return {"problem": said}
    try:
        return {"problem": "", "facts": facts_of(ast.parse(code))}
    except (MemoryError, RecursionError):
        return {"problem": ""}


def toml(data: bytes) -> bytes:
    """The JSON of the values, or of the problem."""
    import tomllib

    try:
        return json.dumps({"values": tomllib.loads(data.decode("utf-8-sig"))}, default=str).encode()
    except ValueError as error:  # which bad TOML, bad UTF-8 and numbers of too many digits are
        said = f"is not valid TOML: {error}".replace("\n", " ")[:200]
    except (MemoryError, RecursionError):
        said = "is nested too deeply"
    return json.dumps({"problem": said}).encode()


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the gateway, which then ends us
    sys.path.append(str(Path(__file__).parents[3]))
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    while head := questions.read(4):
        kind = questions.read(1)
        data = questions.read(int.from_bytes(head, "big"))
        # The default action of SIGALRM ends the process even in the middle of C code, and even if the gateway is gone.
        signal.setitimer(signal.ITIMER_REAL, MOST_TOML_SECONDS if kind == b"T" else MOST_SECONDS)
        said = toml(data) if kind == b"T" else json.dumps(answer(data)).encode()
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.write(len(said).to_bytes(4, "big") + said)
        answers.flush()


if __name__ == "__main__":
    main()
