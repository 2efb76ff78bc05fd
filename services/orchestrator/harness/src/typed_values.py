"""The query as a value of the type that an annotation asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.naming import type_name
from services.orchestrator.harness.src.parameters import Absent
from services.orchestrator.harness.src.query_names import HANDLER_NAMES, MESSAGES_NAMES
from services.orchestrator.harness.src.record_values import (
    NotThatType,
    field_for_text,
    fields_of,
    json_object,
    json_value,
    made_of,
    members_of,
    message_of,
    record_value,
    says_text,
    stripped,
)

if TYPE_CHECKING:
    from typing import Any

WEB_SERVERS = ("fastapi", "starlette", "flask", "quart", "aiohttp", "sanic", "litestar")


def typed_value(annotation: Any, name: str, query: str) -> tuple[object, str]:
    """The query as the type that the annotation of a parameter says. Raises NotThatType."""
    choices = members_of(annotation)
    if choices is not None:
        return _any_of([stripped(one) for one in choices if one is not type(None)], name, query)
    if annotation is None or annotation is type(None):
        raise NotThatType("None")
    if type(annotation).__name__ == "_LiteralGenericAlias":
        return _literal(annotation.__args__, query)
    origin = getattr(annotation, "__origin__", None) or annotation
    if not isinstance(origin, type):
        return query, "query"  # nothing that we know: what an agent asks for is text, most of the time
    _refuse_requests(origin)
    if issubclass(origin, str) or hasattr(origin, "__members__"):
        return _text_type(origin, query)
    scalar = _scalar(origin, query)
    if scalar is not None:
        return scalar
    if _is_a_mapping(origin):
        return _mapping(origin, name, query)
    fields = fields_of(origin)
    if fields is not None:
        return record_value(origin, fields, query)
    if issubclass(origin, _sequences()):
        return _sequence(annotation, origin, name, query)
    message = message_of(origin, query)
    if message is None:
        raise NotThatType(f"a {type_name(origin)}")
    return message, f"{origin.__name__}(query)"


def _literal(choices: Any, query: str) -> tuple[object, str]:
    if query in choices:
        return query, "query"
    value = json_value(query)
    for one in choices:
        if type(one) in (bool, int) and type(value) is type(one) and value == one:
            return one, f"{type(one).__name__}(query)"
    raise NotThatType("one of " + ", ".join(map(repr, choices)))


def _refuse_requests(kind: type) -> None:
    """Of web servers: mappings of a kind, and nothing that a query could be."""
    if kind.__name__ == "Request" and kind.__module__.partition(".")[0] in WEB_SERVERS:
        raise NotThatType(
            "the request of a web server (name a function that takes text as the entry point, -e agent:my_function)"
        )


def _any_of(choices: list[Any], name: str, query: str) -> tuple[object, str]:
    """Of a union: text where that is one of them, else the first that the query is a value of."""
    if Absent in choices or any(one is str for one in choices):
        return query, "query"
    problems = []
    for one in choices:
        try:
            return typed_value(one, name, query)
        except NotThatType as problem:
            problems.append(str(problem))
    raise NotThatType(" or ".join(problems) or "nothing")


def _scalar(kind: Any, query: str) -> tuple[object, str] | None:
    """Numbers, truth, bytes and paths, where the query is just that; None for other types."""
    if kind in (bool, int, float):
        value = json_value(query)
        if type(value) is kind or (kind is float and type(value) is int):
            return kind(value), f"{kind.__name__}(query)"
        raise NotThatType({bool: "true or false", int: "a whole number", float: "a number"}[kind])
    if kind in (bytes, bytearray):
        return kind(query.encode("utf-8", "surrogatepass")), "query.encode()"
    if kind.__module__.partition(".")[0] == "pathlib":
        if "\0" in query:
            raise NotThatType("the path of a file")
        return kind(query), "Path(query)"
    return None


def messages_value(query: str) -> tuple[object, str]:
    value = json_value(query)
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return value, "json(query)"
    return [{"role": "user", "content": query}], '[{"role": "user", "content": query}]'


def _text_type(kind: type, query: str) -> tuple[object, str]:
    """str and what is made of it, and enumerations: by value or by name."""
    if kind is str:
        return query, "query"
    members = getattr(kind, "__members__", {})
    try:
        if query in members:
            return members[query], f"{kind.__name__}(query)"
        number = json_value(query)
        for one in members.values():
            if type(one.value) is int and type(number) is int and one.value == number:
                return one, f"{kind.__name__}(query)"
        return kind(query), f"{kind.__name__}(query)"
    except Exception:
        allowed = [repr(getattr(one, "value", one)) for one in members.values()]
        raise NotThatType(f"one of {', '.join(allowed)}" if allowed else f"a {type_name(kind)}") from None


def _is_a_mapping(kind: type) -> bool:
    from collections.abc import Mapping

    return issubclass(kind, (dict, Mapping)) or hasattr(kind, "__total__")


def _sequences() -> tuple[type, ...]:
    from collections.abc import Iterable

    return (list, tuple, set, frozenset, Iterable)


def _mapping(kind: type, name: str, query: str) -> tuple[object, str]:
    value = json_object(query)
    required = list(getattr(kind, "__required_keys__", ()))
    if value is not None:
        missing = [key for key in required if key not in value]
        if missing:
            raise NotThatType(f"a JSON object with {', '.join(map(repr, sorted(missing)))}")
        return value, "json(query)"
    hints = getattr(kind, "__annotations__", {}) if hasattr(kind, "__total__") else {}
    if hints:
        key = field_for_text(required, list(hints))
        if key in MESSAGES_NAMES:
            return {key: messages_value(query)[0]}, f'{{"{key}": [{{"role": "user", "content": query}}]}}'
        if key is not None and says_text(hints[key]):
            return {key: query}, f'{{"{key}": query}}'
    if name in HANDLER_NAMES:
        return {"prompt": query}, '{"prompt": query}'
    example = ", ".join(f'"{key}": ...' for key in (required or list(hints) or ["..."])[:5])
    raise NotThatType(f"a JSON object, such as {{{example}}}" if "..." not in (required or hints) else "a JSON object")


def _sequence(annotation: Any, kind: type, name: str, query: str) -> tuple[object, str]:
    make: Any = kind if kind in (list, tuple, set, frozenset) else list
    arguments = getattr(annotation, "__args__", ())
    item = stripped(arguments[0]) if arguments else Absent
    value = json_value(query)
    if isinstance(value, list):
        try:
            return make(_item(item, one) for one in value), "json(query)"
        except TypeError:
            raise NotThatType("a JSON array of values that can be in a set") from None
    members = [stripped(one) for one in members_of(item) or [item]]
    if str in members or (item is Absent and name in ("argv", "args")):
        return make([query]), "[query]"
    for member in members:
        if isinstance(member, type) or hasattr(member, "__origin__"):
            message = _message_item(getattr(member, "__origin__", None) or member, query)
            if message is not None:
                return make([message[0]]), message[1]
    if name in MESSAGES_NAMES or (item is Absent and name in ("input", "message")):
        return make(messages_value(query)[0]), messages_value(query)[1]
    raise NotThatType("a JSON array")


def _message_item(kind: Any, query: str) -> tuple[object, str] | None:
    if not isinstance(kind, type):
        return None
    message = message_of(kind, query)
    if message is not None:
        return message, f"[{kind.__name__}(query)]"
    fields = fields_of(kind)
    names = set(fields or getattr(kind, "__annotations__", {}))
    if not {"role", "content"} <= names:
        return None
    data = {"role": "user", "content": query}
    if fields is None:  # a TypedDict
        return data, '[{"role": "user", "content": query}]'
    return made_of(kind, data), f'[{kind.__name__}(role="user", content=query)]'


def _item(kind: Any, value: Any) -> object:
    if isinstance(value, dict) and fields_of(kind) is not None:
        return made_of(kind, value)
    return value
