"""What an agent's process says beside its answer, cut to what is kept: it may say anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.jsontext import from_json

if TYPE_CHECKING:
    from typing import Any

MAX_HINT = 500  # characters
MAX_CANDIDATES = 20
MAX_CONVERSIONS = 100
ENTRY_TEXTS = (("name", 200), ("kind", 50), ("signature", 500), ("call", 300))  # and the characters kept of each
CONVERSION_TEXTS = (("path", 300), ("type", 200), ("how", 300))


def entry_in(announced: bytes) -> dict[str, object] | None:
    """What is called and how; None where the process did not come so far, or did not say it as we do."""
    if not announced:
        return None
    try:
        entry = from_json(announced.decode("utf-8"))["entry"]
        candidates = [text_in(name, 200) for name in list(entry["candidates"])[:MAX_CANDIDATES]]
        return {
            **{name: text_in(entry[name], most) for name, most in ENTRY_TEXTS},
            "query_passed": entry["query_passed"] is True,
            "named": entry["named"] is True,
            "candidates": candidates,
        }
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def conversions_in(reply: Any) -> list[dict[str, str]]:
    """The notes on values that were not plain JSON, as far as they are some."""
    given = reply.get("conversions") if isinstance(reply, dict) else None
    notes = given[:MAX_CONVERSIONS] if isinstance(given, list) else []
    return [
        {name: text_in(note.get(name), most) for name, most in CONVERSION_TEXTS}
        for note in notes
        if isinstance(note, dict)
    ]


def text_in(value: object, most: int) -> str:
    """Of at most so many characters; nothing where it is no text."""
    text = value if isinstance(value, str) else ""
    return text if len(text) <= most else f"{text[: most - 1]}…"
