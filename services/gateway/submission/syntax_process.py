"""The process that compiles agent code to see whether it is valid Python. Started by `syntax.py`, imports nothing.

Reads a length and the code, answers a length and what is wrong (nothing: it is valid). Nothing is executed.
"""

from __future__ import annotations

import resource
import signal
import sys

MOST_SECONDS = 5.0
MOST_MEMORY = 1 << 30


def problem(data: bytes) -> str:
    """What is wrong with the code, in one line; empty where it is valid."""
    try:
        compile(data, "agent.py", "exec", dont_inherit=True)
    except SyntaxError as error:
        where = f"line {error.lineno}: " if error.lineno else ""
        return f"is not valid Python {sys.version_info[0]}.{sys.version_info[1]}: {where}{error.msg}"
    except (MemoryError, RecursionError):
        return "is nested too deeply for Python to compile it"
    except (ValueError, OverflowError, UnicodeError) as error:
        return f"is not valid Python: {error}"
    return ""


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the gateway, which then ends us
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    while head := questions.read(4):
        data = questions.read(int.from_bytes(head, "big"))
        # The default action of SIGALRM ends the process even in the middle of C code, and even if the gateway is gone.
        signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)
        answer = problem(data).replace("\n", " ")[:300].encode()
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.write(len(answer).to_bytes(4, "big") + answer)
        answers.flush()


if __name__ == "__main__":
    main()
