"""What the server says: lines of its log, and errors to a client."""

from __future__ import annotations

import sys


def say(level: str, text: str) -> None:
    print(f"{level}: {text}", file=sys.stderr, flush=True)


def problem(code: str, message: str) -> dict[str, dict[str, str]]:
    return {"error": {"code": code, "message": message}}
