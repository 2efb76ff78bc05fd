"""From values that JSON has no form for to values that it has: one table, in a closed order.

A newcomer adds a line to `value_conversions`: which types (kinds.py), how it is told in the notes, and a function that
gives another value, which is converted in turn. One that raises, or gives UNFIT, leaves it to the next line.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.framework_answers import framework_answers
from services.orchestrator.harness.src.jsontext import from_json
from services.orchestrator.harness.src.kinds import (
    UNFIT,
    Kind,
    called,
    has,
    is_a,
    module_of,
    part,
    said,
    taken,
)
from services.orchestrator.harness.src.naming import attributes_of, type_name
from services.orchestrator.harness.src.table_values import Each, array, base64, picture, scalar, series, table_rows

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

MOST_TYPES = 2000  # remembered


class Fields(dict):  # type: ignore[type-arg]
    """Attributes by name: a dictionary whose places are told as `.name`."""


def moment(value: Any) -> object:
    """ISO 8601 as pydantic writes it: UTC is Z. Nothing for pandas' NaT."""
    text = value.isoformat()
    if text == "NaT":
        return None
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text


def period(value: Any) -> str:
    """ISO 8601, as pydantic writes it: P1DT2H, PT0.5S, -P1D, P1Y for 365 days."""
    micros = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    seconds, micros = divmod(micros, 1_000_000)
    days, seconds = divmod(seconds, 86_400)
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    fraction = f".{micros:06}".rstrip("0") if micros else ""
    time = "".join(f"{count}{unit}" for count, unit in ((hours, "H"), (minutes, "M")) if count)
    time += f"{seconds}{fraction}S" if seconds or fraction else ""
    years, days = divmod(days, 365)
    day = (f"{years}Y" if years else "") + (f"{days}D" if days else "")
    return f"{sign}P{day}T{time}" if time else f"{sign}P{day or 'T0S'}"


def body(value: Any) -> object:
    """Of the response of a web framework: the JSON in it, or its text."""
    raw = value.body if hasattr(type(value), "render") else value.get_data()
    text = bytes(raw).decode("utf-8")
    try:
        return from_json(text)
    except ValueError:
        return text


def dumped(value: Any) -> object:
    """A pydantic model; where it holds what pydantic cannot write as JSON, its fields, to be converted by us."""
    try:
        return value.model_dump(mode="json")
    except Exception:
        return value.model_dump()


def fields(value: Any, names: Iterable[str]) -> Fields:
    """Those that are there; one that cannot be read does not cost the others."""
    found = Fields()
    for name in names:
        try:
            found[name] = getattr(value, name)
        except AttributeError:
            continue
        except Exception as problem:
            found[name] = f"[cannot be read: {type_name(type(problem))}]"
    return found


def fields_of_dataclass(value: Any) -> Fields:
    declared = type(value).__dataclass_fields__
    return fields(value, [name for name, one in declared.items() if one._field_type.name == "_FIELD"])


def message_of_protobuf(value: Any) -> object:
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(value)


def decoded(name: str) -> tuple[str, Any]:
    """A method that gives JSON text, or already what is in it."""

    def decode(value: Any) -> object:
        found = getattr(value, name)()
        return from_json(found) if isinstance(found, str) else UNFIT

    return name, decode


def plain_result(method: str) -> tuple[str, Any]:
    """What it gives, if that is data."""
    how, call = called(method)

    def data(value: Any) -> object:
        found = call(value)
        return found if isinstance(found, (dict, list, tuple)) else UNFIT

    return how, data


def items(value: Any) -> object:
    return {key: value[key] for key in value.keys()}  # noqa: SIM118 - of no dict, which may iterate over something else


def never_awaited(value: Any) -> str:
    name = part(value, "__qualname__")
    value.close()
    return f"[a coroutine that was not awaited: {name}]"


def error(value: BaseException) -> str:
    text = str(value)
    return f"{type_name(type(value))}: {text}" if text else type_name(type(value))


def is_of_the_agent(kind: Kind) -> bool:
    """Of the agent's code: neither Python's nor from an installed package, whose objects hold clients and keys."""
    path = str(getattr(sys.modules.get(module_of(kind.cls)), "__file__", None) or "")
    return path != "" and not any(place in path for place in ("/site-packages/", "/dist-packages/", "/lib/python"))


def public_attributes(value: Any) -> object:
    slots = [name for one in type(value).__mro__ for name in _slots_of(one)]
    names = [name for name in (*attributes_of(value), *slots) if isinstance(name, str) and not name.startswith("_")]
    return fields(value, names) or UNFIT


def _slots_of(cls: type) -> tuple[str, ...]:
    slots = cls.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def is_anything(_: Kind) -> bool:
    return True


def is_iterable(kind: Kind) -> bool:
    """But no file, which would be read, and no type."""
    return "__iter__" in kind.attributes and not kind.attributes & {"read", "fileno", "__subclasscheck__"}


def data_conversions() -> tuple[Any, ...]:
    return (
        *framework_answers(),
        (is_a("unittest", "NonCallableMock"), "repr", repr),  # answers to every name
        (has("__subclasscheck__"), "repr", repr),  # a type
        (has("model_dump"), "model_dump", dumped),
        (has("__fields__", "dict"), *called("dict")),  # pydantic 1
        (has("__dataclass_fields__"), "its fields", fields_of_dataclass),
        (
            has("__attrs_attrs__"),
            "its fields",
            lambda value: fields(value, [one.name for one in value.__attrs_attrs__]),
        ),
        (has("__struct_fields__"), "its fields", lambda value: fields(value, value.__struct_fields__)),  # msgspec
        (has("DESCRIPTOR", "ListFields"), "MessageToDict", message_of_protobuf),
        (has("_fields", "_asdict"), "its fields", lambda value: fields(value, value._fields)),  # a NamedTuple
    )


def value_conversions() -> tuple[Any, ...]:
    """Of what is no dictionary, list or tuple."""
    return (
        (is_a("builtins", "bytes", "bytearray", "memoryview"), "base64", base64),
        (is_a("pandas", "DataFrame"), "a list of its rows", table_rows),
        (is_a("pandas", "Series"), "tolist", series),
        (is_a("pandas", "NaTType", "NAType"), "null", lambda _: None),
        (has("to_dicts", "to_series"), *called("to_dicts")),  # polars
        (has("to_list", "to_frame", "len"), *called("to_list")),  # polars
        (has("to_pylist"), *called("to_pylist")),  # pyarrow
        (is_a("numpy", "generic"), "item", scalar),
        (has("tolist"), "tolist", array),
        (is_a("enum", "Enum"), ".value", lambda value: value._value_),
        (is_a("datetime", "datetime", "date", "time"), "isoformat", moment),
        (is_a("datetime", "timedelta"), "ISO 8601", period),
        (is_a("decimal", "Decimal"), "str", str),
        (is_a("fractions", "Fraction"), "str", str),
        (is_a("uuid", "UUID"), "str", str),
        (is_a("pathlib", "PurePath"), "str", str),
        (is_a("ipaddress"), "str", str),
        (is_a("re", "Pattern"), *taken("pattern")),
        (is_a("builtins", "complex"), "str", lambda value: str(value).strip("()")),
        (is_a("builtins", "BaseException"), "str", error),
        (is_a("builtins", "set", "frozenset"), "a sorted list", sorted),
        (is_a("builtins", "set", "frozenset"), "a list", list),
        (is_a("collections", "UserString"), "str", str),
        (is_a("PIL", "Image"), "base64 of a PNG", picture),
        (is_a("matplotlib", "Figure"), "base64 of a PNG", picture),
        (is_a("starlette", "Response"), "its body", body),
        (is_a("werkzeug", "Response"), "its body", body),
        (
            has("result", "done", "add_done_callback"),
            "result",
            lambda value: value.result() if value.done() else repr(value),
        ),
        (is_a("_io", "StringIO", "BytesIO"), *called("getvalue")),
        (is_a("types", "SimpleNamespace"), "its attributes", public_attributes),
        (is_a("argparse", "Namespace"), "its attributes", public_attributes),
        (has("_asdict"), *plain_result("_asdict")),
        (has("to_dict"), *plain_result("to_dict")),
        (has("toDict"), *plain_result("toDict")),
        (has("as_dict"), *plain_result("as_dict")),
        (has("asdict"), *plain_result("asdict")),
        (has("dict"), *plain_result("dict")),
        (has("to_json"), *decoded("to_json")),
        (has("json"), *decoded("json")),
        (has("keys", "__getitem__"), "its items", items),
        (has("cr_frame", "close"), "a mark", never_awaited),
        (is_iterable, "a list", Each),
        (is_anything, *taken("final_output")),
        (is_anything, *taken("output")),
        (is_anything, *said("content")),
        (has("__str__"), "str", str),
        (is_of_the_agent, "its attributes", public_attributes),
        (has("__repr__"), "repr", repr),
    )


_tables: list[tuple[Any, ...]] = []  # of data, and of everything; made when they are first needed
_known: dict[type, tuple[tuple[str, Any], ...]] = {}


def conversions_for(cls: type) -> tuple[tuple[str, Any], ...]:
    """What may be done with values of this type, in order: how it is told, and the function."""
    found = _known.get(cls)
    if found is None:
        if not _tables:
            data = data_conversions()
            _tables.extend((data, data + value_conversions()))
        kind, table = Kind(cls), _tables[not issubclass(cls, (dict, list, tuple))]
        found = tuple((how, convert) for applies, how, convert in table if applies(kind))
        if len(_known) < MOST_TYPES:
            _known[cls] = found
    return found
