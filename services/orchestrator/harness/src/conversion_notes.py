"""Notes on what was made of values that are not plain JSON: where, of which type, and how."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.naming import type_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MAX_PATH = 300  # characters


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
