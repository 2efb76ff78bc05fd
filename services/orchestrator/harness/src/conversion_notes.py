"""Notes on what was made of values that are not plain JSON: where, of which type, and how."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.jsontext import NotJson
from services.orchestrator.harness.src.naming import type_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MAX_NOTES = 100
MAX_PATH = 300  # characters
NESTED = "The answer is nested more than 64 levels deep, or contains itself, at {where}"
HALF = "{where} holds half a surrogate pair: not Unicode text"
REFUSAL = "{where} is a {kind}: not something that JSON can hold"


class Note:
    """What was made of a value that is not plain JSON, and of `more` others like it."""

    def __init__(self, path: str, kind: str, how: str, refusal: str) -> None:
        self.path = path
        self.kind = kind
        self.how = how
        self.refusal = refusal  # what a strict test says of it
        self.more = 0


def unwarned(work: Callable[[], Any]) -> Any:
    """What libraries warn of when we look into their objects is no output of the agent."""
    warnings = sys.modules.get("warnings")
    if warnings is None:
        return work()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return work()


def written(place: tuple[Any, ...], *, general: bool = False) -> str:
    """`answer['due'][3].total`; in general `['due'][*].total`, of which the end is enough to tell places apart."""
    parts: list[str] = []
    while place and not (general and len(parts) == 8):
        place, key, attribute = place
        text = f".{key}" if attribute else "[*]" if general and type(key) is int else f"[{key!r}]"
        parts.append(text if len(text) <= 80 else f"{text[:70]}…{text[-9:]}")
    path = "answer" + "".join(reversed(parts))
    return path if len(path) <= MAX_PATH else f"{path[: MAX_PATH // 2]}…{path[1 - MAX_PATH // 2 :]}"


def named(kind: type) -> str:
    try:
        return type_name(kind)
    except Exception:  # a type that lies about its own name
        return "?"


class Notes:
    """At most 100 of them; those on values that are alike are one. With `strict` the first one is a NotJson."""

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self._notes: dict[tuple[str, str, str], Note] = {}  # by a path in which all places of a list are one
        self._unlisted = 0

    def told(self) -> list[dict[str, str]]:
        """The last one is how many there are beside."""
        told = [
            {"path": note.path, "type": note.kind, "how": note.how + (f", and {note.more:,} more" if note.more else "")}
            for note in self._notes.values()
        ]
        if self._unlisted:
            told.append({"path": "answer", "type": "", "how": f"{self._unlisted:,} more conversions, not listed"})
        return told

    def add(self, place: tuple[Any, ...], kind: type, how: str, refusal: str) -> None:
        general, name = written(place, general=True), named(kind)
        alike = None if self.strict else self._notes.get((general, name, how))
        if alike is not None:
            alike.more += 1
        elif len(self._notes) >= MAX_NOTES - 1 and not self.strict:
            self._unlisted += 1
        else:
            path = written(place)
            refused = refusal.format(where=path, kind=name) + "."
            if self.strict:
                raise NotJson(refused)
            self._notes[general, name, how] = Note(path, name, how, refused)

    def take(self, other: Notes) -> None:
        for (general, _, _), note in other._notes.items():
            if self.strict:
                raise NotJson(note.refusal)
            self.keep(note, general)
        self._unlisted += other._unlisted

    def keep(self, note: Note, general: str) -> None:
        alike = self._notes.get((general, note.kind, note.how))
        if alike is not None:
            alike.more += 1 + note.more
        elif len(self._notes) < MAX_NOTES - 1:
            self._notes[general, note.kind, note.how] = note
        else:
            self._unlisted += 1 + note.more
