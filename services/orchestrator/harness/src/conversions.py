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
    said,
    taken,
)
from services.orchestrator.harness.src.naming import attributes_of, type_name
from services.orchestrator.harness.src.pending_values import never_awaited, of_coroutine, of_future, of_stream
from services.orchestrator.harness.src.python_values import error, file_mark, group_of_errors, is_a_file, moment, period
from services.orchestrator.harness.src.table_values import Each, array, base64, picture, scalar, series, table_rows
from services.orchestrator.harness.src.web_values import body_of_response, is_a_response

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

MOST_TYPES = 2000  # remembered
ITEMS = "[items]"  # no name of an attribute
BESIDE_A_TEXT = ("role", "type", "usage")


class Fields(dict):  # type: ignore[type-arg]
    """Attributes by name: a dictionary whose places are told as `.name`."""


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


def is_of_the_agent(kind: Kind) -> bool:
    """Of the agent's code: neither Python's nor from an installed package, whose objects hold clients and keys."""
    path = str(getattr(sys.modules.get(module_of(kind.cls)), "__file__", None) or "")
    return path != "" and not any(place in path for place in ("/site-packages/", "/dist-packages/", "/lib/python"))


def public_attributes(value: Any) -> object:
    slots = [name for one in type(value).__mro__ for name in _slots_of(one)]
    names = [name for name in (*attributes_of(value), *slots) if isinstance(name, str) and not name.startswith("_")]
    return fields(value, names) or UNFIT


def attributes_and_items(value: Any) -> object:
    """Of an object of the agent that can be iterated over and has attributes, too: neither is lost."""
    found = public_attributes(value)
    if not isinstance(found, Fields) or ITEMS in found:
        return UNFIT
    try:
        found[ITEMS] = Each(iter(value))
    except Exception:  # it has the method and does not mean it
        pass
    return found


def without_items_told_twice(found: dict[str, Any]) -> dict[str, Any]:
    """Most iterations are over one of the attributes, or over all of them."""
    if ITEMS not in found:
        return found
    items = found.pop(ITEMS)
    told = [list(one) if isinstance(one, dict) else one for one in found.values()]
    if items and items not in told and items not in ([[name, one] for name, one in found.items()], list(found)):
        found[ITEMS] = items
    return found


def text_of_a_message(name: str) -> tuple[str, Any]:
    """The text in an object of the agent that is a message and nothing else, as those of chat APIs are."""
    how, take = said(name)

    def text(value: Any) -> Any:
        attributes = public_attributes(value)
        names = set(attributes) if isinstance(attributes, Fields) else set()
        return take(value) if names <= {name, *BESIDE_A_TEXT} else UNFIT

    return how, text


def _slots_of(cls: type) -> tuple[str, ...]:
    slots = cls.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def is_iterable(kind: Kind) -> bool:
    """But no file, which would be read, and no type."""
    return "__iter__" in kind.attributes and not kind.attributes & {"read", "fileno", "__subclasscheck__"}


def is_iterable_of_the_agent(kind: Kind) -> bool:
    return is_iterable(kind) and "__next__" not in kind.attributes and is_of_the_agent(kind)


def is_foreign(kind: Kind) -> bool:
    return not is_of_the_agent(kind)


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
        (has("derive", "exceptions", "split", "subgroup"), "its exceptions", group_of_errors),
        (is_a("builtins", "BaseException"), "str", error),
        (is_a("builtins", "set", "frozenset"), "a sorted list", sorted),
        (is_a("builtins", "set", "frozenset"), "a list", list),
        (is_a("collections", "UserString"), "str", str),
        (is_a("PIL", "Image"), "base64 of a PNG", picture),
        (is_a("matplotlib", "Figure"), "base64 of a PNG", picture),
        (is_a_response, "its body", body_of_response),
        (has("result", "done", "add_done_callback"), "its result", of_future),
        (has("cr_frame", "close"), "awaited", of_coroutine),
        (has("cr_frame", "close"), "a mark", never_awaited),
        (is_a("_io", "StringIO", "BytesIO"), *called("getvalue")),
        (is_a_file, "a mark", file_mark),
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
        (has("__await__"), "awaited", of_coroutine),
        (has("__aiter__", "__anext__"), "a list", of_stream),
        (is_iterable_of_the_agent, "its attributes", attributes_and_items),
        (is_iterable, "a list", Each),
        (is_foreign, *taken("final_output")),
        (is_foreign, *taken("output")),
        (is_foreign, *said("content")),
        (is_of_the_agent, *text_of_a_message("final_output")),
        (is_of_the_agent, *text_of_a_message("output")),
        (is_of_the_agent, *text_of_a_message("content")),
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
