"""What handlers of platforms are given: an object, and whether they have looked for the query in it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.code_reading import innermost, texts_in, uses_of
from services.orchestrator.harness.src.jsontext import to_json
from services.orchestrator.harness.src.query_names import MESSAGES_NAMES, QUERY_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


READ_DICTIONARIES_UNSEEN = ("pydantic_core", "msgspec", "orjson", "ujson")  # compiled: they ask no method for a key
MISSED = object()


class Payload(dict):  # type: ignore[type-arg]  # whatever JSON has
    """A dictionary that knows what was asked of it."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.ours = frozenset(dict.keys(self))
        self.asked: set[str] = set()
        self.whole = False

    def unheard(self) -> list[str]:
        """The keys that were asked for where nobody has asked for one that is there, nor for all of it."""
        if self.whole or not self.ours or not self.ours.isdisjoint(self.asked):
            return []
        return sorted(self.asked)

    def _ask(self, key: object) -> None:
        if isinstance(key, str):
            self.asked.add(key)

    def __getitem__(self, key: Any) -> Any:
        self._ask(key)
        return super().__getitem__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        self._ask(key)
        return super().get(key, default)

    def pop(self, key: Any, default: Any = MISSED) -> Any:
        self._ask(key)
        return super().pop(key) if default is MISSED else super().pop(key, default)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        self._ask(key)
        return super().setdefault(key, default)

    def __contains__(self, key: object) -> bool:
        self._ask(key)
        return super().__contains__(key)

    def __iter__(self) -> Any:
        self.whole = True
        return super().__iter__()

    def keys(self) -> Any:
        self.whole = True
        return super().keys()

    def values(self) -> Any:
        self.whole = True
        return super().values()

    def items(self) -> Any:
        self.whole = True
        return super().items()

    def copy(self) -> Any:
        self.whole = True
        return super().copy()

    def popitem(self) -> Any:
        self.whole = True
        return super().popitem()

    def __or__(self, other: Any) -> Any:
        self.whole = True
        return super().__or__(other)

    def __ror__(self, other: Any) -> Any:
        self.whole = True
        return super().__ror__(other)

    def __repr__(self) -> str:
        self.whole = True
        return super().__repr__()

    def __reduce_ex__(self, _: Any) -> Any:
        self.whole = True
        return dict, (dict(super().items()),)


def is_payload(value: object) -> bool:
    return isinstance(value, Payload)


def payload_of_text(function: Any, query: str) -> tuple[dict[str, object], str]:
    """The prompt, and the query again under every usual name that the code of a handler mentions; `body` is the same as
    JSON text, as web requests have it."""
    mentioned = texts_in(innermost(function))
    value: dict[str, object] = {"prompt": query}
    shown = ['"prompt": query']
    for name in QUERY_NAMES:
        if name not in mentioned or name in ("prompt", "body"):
            continue
        if name in MESSAGES_NAMES:
            value[name] = [{"role": "user", "content": query}]
            shown.append(f'"{name}": [...]')
        else:
            value[name] = query
            shown.append(f'"{name}": query')
    if "body" in mentioned:
        value["body"] = to_json(value)
        shown.append('"body": json')
    return value, f"{{{', '.join(shown)}}}"


def keys_asked_in_vain(function: Any, parameter: str, given: Iterable[str]) -> list[str]:
    """What a handler asks its payload for, where it does nothing else with it and asks for nothing that is there."""
    code = innermost(function)
    uses = None if code is None else uses_of(code, parameter)
    if uses is None or uses.whole or not set(uses.keys).isdisjoint(given):
        return []
    return uses.keys


def can_be_watched(function: Any, parameter: str) -> bool:
    """Whether all that asks it for something would be seen."""
    if not any(name in sys.modules for name in READ_DICTIONARIES_UNSEEN):
        return True
    code = innermost(function)
    return code is not None and not uses_of(code, parameter).whole
