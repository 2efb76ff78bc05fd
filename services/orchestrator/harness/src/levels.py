"""The level of a line of output."""

from __future__ import annotations

LEVEL_WORDS = (
    ("DEBUG", "debug"),
    ("INFO", "info"),
    ("WARNING", "warning"),
    ("WARN", "warning"),
    ("ERROR", "error"),
    ("CRITICAL", "critical"),
)


def level_of(text: str, default: str) -> str:
    """The level that a line names with its first word, as logging does; else the default of its stream."""
    if text[:1] == "[":
        text = text[1:]
    if text[:1] in ("D", "I", "W", "E", "C"):
        for word, level in LEVEL_WORDS:
            if text.startswith(word) and not text[len(word) : len(word) + 1].isalnum():
                return level
    return default
