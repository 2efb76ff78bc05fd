"""Messages of the API as nobody would write them: made from their descriptors, valid in part, wild in the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

from tests.support.archive_bytes import zipped

Known = Mapping[str, Sequence[str]]
"""Values that mean something to the server, by the name of the field."""

WILD_TEXTS: Final = (
    *("", " ", "\n", "\x00", "a\x00b", "..", "../../etc/passwd", "/", "\\", "%00", "${x}", "{{x}}", "$where", "a.b.$"),
    *("'", '"', "<script>", "\u202e", "\u200b", "\ufeff", "\U0001f4a9", "\x1b[2J", "é", "e\u0301", "\u0130" * 100),
    *("-e .", "--index-url https://x", "a @ https://x", "None", "null", "NaN", "*", ">", "a b c"),
    *("a" * 300, "x" * 70_000, "-" * 64),
)
WILD_INTS: Final = (0, 1, -1, 2, 7, 100, 101, 500, 10_000, 2**31 - 1, -(2**31))
WILD_LONGS: Final = (*WILD_INTS, 2**31, 2**53, 2**63 - 1, -(2**63), 10**12)
WILD_FLOATS: Final = (0.0, -0.0, 1.0, -1.5, 1e308, -1e308, 5e-324, float("inf"), float("-inf"), float("nan"))
WILD_BYTES: Final = (
    *(b"", b"\x00", b"PK\x03\x04"),
    *(zipped({"agent.py": "def run(q):\n    return q\n"}), zipped({"../x": "y"})),
)
DEPTH: Final = 4
_TYPES: Final = FieldDescriptor
_NUMBERS: Final = {
    _TYPES.TYPE_INT32: WILD_INTS,
    _TYPES.TYPE_SINT32: WILD_INTS,
    _TYPES.TYPE_INT64: WILD_LONGS,
    _TYPES.TYPE_SINT64: WILD_LONGS,
    _TYPES.TYPE_UINT32: tuple(each for each in WILD_INTS if each >= 0),
    _TYPES.TYPE_UINT64: tuple(each for each in WILD_LONGS if each >= 0),
}
_TIMES: Final = {"google.protobuf.Duration", "google.protobuf.Timestamp"}


def messages(kind: Descriptor, known: Known, depth: int = DEPTH) -> st.SearchStrategy[Any]:
    """Messages of this kind."""
    return _message(kind, known, depth)


@st.composite
def mangled(draw: st.DrawFn, valid: st.SearchStrategy[Any]) -> bytes:
    """The bytes of such a message with some of them changed, left out or added; or any bytes at all."""
    data = bytearray(draw(valid).SerializeToString())
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(("change", "cut", "add", "end"))):
            case "change" if place < len(data):
                data[place] = draw(st.integers(0, 255))
            case "cut":
                del data[place : place + draw(st.integers(1, 8))]
            case "add":
                data[place:place] = draw(st.binary(min_size=1, max_size=12))
            case _:
                del data[place:]
    return bytes(data)


@st.composite
def _message(draw: st.DrawFn, kind: Descriptor, known: Known, depth: int) -> Message:
    message: Any = GetMessageClass(kind)()
    if kind.full_name in _TIMES:
        message.seconds = draw(st.sampled_from((0, 1, 60, 86_400, -1, 1_800_000_000, 253_402_300_800, *WILD_LONGS)))
        message.nanos = draw(st.sampled_from((0, 0, 0, 1, 999_999_999, -1, 2**31 - 1)))
        return message  # type: ignore[no-any-return]
    for field in kind.fields:
        if not draw(st.booleans()):
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            _fill_map(draw, message, field, known)
        elif field.is_repeated:
            values = draw(st.lists(_value(field, known, depth), max_size=4))
            getattr(message, field.name).extend(value for value in values if value is not None)
        else:
            value = draw(_value(field, known, depth))
            if value is None:
                continue
            if field.message_type is not None:
                getattr(message, field.name).CopyFrom(value)
            else:
                setattr(message, field.name, value)
    return message  # type: ignore[no-any-return]


def _fill_map(draw: st.DrawFn, message: Any, field: FieldDescriptor, known: Known) -> None:
    assert field.message_type is not None
    keys, values = (field.message_type.fields_by_name[name] for name in ("key", "value"))
    for _ in range(draw(st.integers(0, 3))):
        value = draw(_value(values, known, 0))
        if value is not None:
            getattr(message, field.name)[draw(_value(keys, known, 0))] = value


def _value(field: FieldDescriptor, known: Known, depth: int) -> st.SearchStrategy[Any]:
    match field.type:
        case _TYPES.TYPE_MESSAGE:
            kind = field.message_type
            return _message(kind, known, depth - 1) if depth and kind is not None else st.none()
        case _TYPES.TYPE_STRING:
            return _text(known.get(field.name, ()))
        case _TYPES.TYPE_BYTES:
            return st.one_of(st.sampled_from(WILD_BYTES), st.binary(max_size=64))
        case _TYPES.TYPE_BOOL:
            return st.booleans()
        case _TYPES.TYPE_ENUM:
            assert field.enum_type is not None
            numbers = [value.number for value in field.enum_type.values]
            return st.sampled_from((*numbers, *numbers, -1, max(numbers) + 1, 2**31 - 1))
        case _TYPES.TYPE_DOUBLE | _TYPES.TYPE_FLOAT:
            return st.sampled_from(WILD_FLOATS)
        case number:
            return st.sampled_from(_NUMBERS[number])


def _text(meaningful: Sequence[str]) -> st.SearchStrategy[str]:
    wild = st.one_of(st.sampled_from(WILD_TEXTS), st.text(st.characters(codec="utf-8"), max_size=40))
    # Mostly what means something, where that is known: what is refused at the first look tests little.
    return st.one_of(st.sampled_from(meaningful), st.sampled_from(meaningful), wild) if meaningful else wild
