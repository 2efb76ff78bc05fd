"""The process that compiles agent code to see whether it is valid Python, and what is in it. Started by `syntax.py`.

Reads a length and the code, answers a length and JSON: what is wrong (`problem`; empty: it is valid), and the facts of
`code_facts.py`. Nothing is executed.
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


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the gateway, which then ends us
    sys.path.append(str(Path(__file__).parents[3]))
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    while head := questions.read(4):
        data = questions.read(int.from_bytes(head, "big"))
        # The default action of SIGALRM ends the process even in the middle of C code, and even if the gateway is gone.
        signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)
        said = json.dumps(answer(data)).encode()
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.write(len(said).to_bytes(4, "big") + said)
        answers.flush()


if __name__ == "__main__":
    main()
