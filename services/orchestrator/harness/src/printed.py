"""The answer of an agent that is a script or a command: what it printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.jsontext import from_json, to_json

if TYPE_CHECKING:
    from typing import Any


def printed_answer(text: str, limit: int, printed: int = 0) -> Any:
    """A JSON object or array that is all of it as that value; anything else as text, without the newlines at its end.
    Text of more than `limit` bytes as JSON is cut, with a mark that says so; `printed` is how many bytes there were,
    where text is only their beginning."""
    stripped = text.strip()
    if stripped[:1] in ("{", "[") and stripped[-1:] in ("}", "]"):
        try:
            value = from_json(stripped)
            if len(to_json(value).encode("utf-8", "replace")) <= limit:
                return value
        except (ValueError, RecursionError):
            pass
    text = text.rstrip("\r\n")
    size = len(to_json(text).encode("utf-8", "replace"))
    if size <= limit:
        return text
    mark = f"\n[... cut: {max(size, printed):,} bytes were printed]"
    return text[: max(0, len(text) * (limit - len(mark) - 16) // size - 16)] + mark
