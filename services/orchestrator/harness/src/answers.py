"""From what an agent returns to JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.jsontext import NotJson, to_json
from services.orchestrator.harness.src.naming import type_name

if TYPE_CHECKING:
    from typing import Any


MAX_DEPTH = 64  # of an answer: document stores and protobuf stop at 100


def unwrap(value: Any) -> Any:
    """The answer inside what frameworks return: pydantic-ai keeps it in `.output`, LangChain messages in `.content`."""
    families = _families(value)
    if "pydantic_ai" in families and hasattr(value, "output"):
        return value.output
    if "langchain_core" in families and hasattr(value, "content"):
        return value.content
    return value


def _families(value: object) -> set[str]:
    """The packages that its class and its base classes come from."""
    return {cls.__module__.partition(".")[0] for cls in type(value).__mro__}


def jsonable(value: Any, where: str, depth: int = 0) -> Any:
    """The value as plain JSON data. Raises NotJson saying what stands in the way, and where."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, int):
        if abs(value) >= 10**4300:  # more digits than int() reads back
            raise NotJson(f"{where} is an integer of more than 4300 digits.")
        return int(value)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise NotJson(f"{where} is {float(value)!r}: JSON has no such number.")
        return float(value)
    if depth >= MAX_DEPTH:
        raise NotJson(f"The answer is nested more than {MAX_DEPTH} levels deep, or contains itself, at {where[:200]}.")
    if isinstance(value, dict):
        return {_key(key, where): jsonable(item, f"{where}[{key!r}]", depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item, f"{where}[{index}]", depth + 1) for index, item in enumerate(value)]
    try:
        plain = _as_plain(value)
    except Exception as error:
        raise NotJson(f"{where} is a {type_name(type(value))} that cannot be turned into JSON: {error}") from None
    if plain is value:
        raise NotJson(f"{where} is a {type_name(type(value))}: not something that JSON can hold.")
    return jsonable(plain, where, depth + 1)


def _as_plain(value: Any) -> Any:
    kind = type(value)
    if "pydantic_ai" in _families(value) and hasattr(value, "output"):
        return value.output
    if hasattr(kind, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(kind, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in kind.__dataclass_fields__ if hasattr(value, name)}
    for name in ("output", "content"):
        if hasattr(value, name):
            return getattr(value, name)
    return value


def _text(value: str, where: str) -> str:
    value = str.__str__(value)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise NotJson(f"{where} holds half a surrogate pair: not Unicode text.") from None
    return value


def _key(key: object, where: str) -> str:
    if isinstance(key, str):
        return _text(key, where)
    if key is None or isinstance(key, (bool, int, float)):
        return to_json(key)
    raise NotJson(f"{where} has a key of type {type_name(type(key))}: JSON has only text there.")
