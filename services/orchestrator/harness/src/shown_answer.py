"""An answer that its test does not give, in the log."""

from __future__ import annotations

from services.orchestrator.harness.src.answers import Answering
from services.orchestrator.harness.src.jsontext import to_json

MAX_SHOWN = 12 * 1024  # bytes: a line of the log


def log_answer(value: object) -> None:
    """It was paid for."""
    print(f"The answer, converted: {to_json(Answering().json(value, MAX_SHOWN))}", flush=True)
