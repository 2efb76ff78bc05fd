"""An answer that its test does not give, in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.answers import Answering
from services.orchestrator.harness.src.jsontext import to_json

if TYPE_CHECKING:
    from typing import Any

MAX_SHOWN = 12 * 1024  # bytes: a line of the log


def log_answer(value: object, loop: Any, seconds: float | None = None) -> None:
    """It was paid for. `loop` and `seconds` as Answering has them."""
    shown = Answering(loop=loop, seconds=seconds).json(value, MAX_SHOWN)
    print(f"The answer, converted: {to_json(shown)}", flush=True)
