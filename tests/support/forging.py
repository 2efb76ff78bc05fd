"""Messages of the API with whatever can be written into their fields, made from the descriptors: right by their types,
and wrong by everything else."""

from __future__ import annotations

import json
import random
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

TEXTS = (
    *("", "plain", "two words", "a" * 300, "a\nb\n\n✓ passed in 1.00 s", "a\rb", "\x1b[2J\x1b]0;x\x07", "\x9b31m"),
    *(
        "a\u2028b\u2029c\x85d",
        "\u202egpj.exe",
        "\u2066x\u2069",
        "\x00",
        "\x7f",
        "日本🙂",
        "e\u0301",
        "\ufeff",
        "[bold]x",
    ),
    *("../../x", "/etc/passwd", "-rf", "$(x)", "`x`", "%s%n", "{0}", "C:\\x", "\t", " " * 50, "error: x\nhint: y"),
)
IDS = ("tst_1", "pkg_1", "key_1", "tst_" + "0" * 32)
JSONS = (
    *("", "null", '"text"', '"a\\n✓ passed"', "{}", "[1, 2]", '{"a": {"b": [null, true, 1.5]}}', "{", "NaN", "1e999"),
    *('"\\ud800"', "9" * 5000, "[" * 2000 + "]" * 2000, "[" * 100_000, '"\\u0000\\u001b[2J\\u202e"', "\x00"),
)
FLOATS = (0.0, 0.5, 1.0, 2.5, -1.0, 1e-300, 1e300, float("inf"), float("-inf"), float("nan"))
SECONDS = (0, 1, 1_700_000_000, 1_700_000_100, -1, -62_135_596_800, 253_402_300_799, 2**62, -(2**63))
NANOS = (0, 1, 999_999_999, -1, 2**31 - 1)
WIDTHS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
ID_FIELDS = frozenset({"id", "test_id", "package_id", "original_test_id", "retry_of"})
_SHA256 = "0" * 64


class Forger:
    """Draws messages from one source of chance. `wild`: how often a value is one that no server gives."""

    def __init__(self, chance: random.Random, *, wild: float) -> None:
        self._chance, self._wild = chance, wild

    def message(self, descriptor: Descriptor, depth: int = 0) -> Message:
        made = GetMessageClass(descriptor)()
        for field in descriptor.fields:
            if self._chance.random() < (0.75 if depth < 5 else 0.2):
                self._fill(made, field, depth)
        return made

    def _fill(self, made: Any, field: FieldDescriptor, depth: int) -> None:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            self._fill_map(getattr(made, field.name), field.message_type, depth)
        elif field.is_repeated:
            getattr(made, field.name).extend(self._value(field, depth) for _ in range(self._chance.randrange(4)))
        elif field.message_type is not None:
            getattr(made, field.name).CopyFrom(self._value(field, depth))
        else:
            setattr(made, field.name, self._value(field, depth))

    def _fill_map(self, entries: Any, entry: Descriptor, depth: int) -> None:
        for _ in range(self._chance.randrange(3)):
            key = self._value(entry.fields_by_name["key"], depth)
            value = self._value(entry.fields_by_name["value"], depth)
            if isinstance(value, Message):
                entries[key].CopyFrom(value)
            else:
                entries[key] = value

    def _value(self, field: FieldDescriptor, depth: int) -> Any:
        kind = field.cpp_type
        if field.message_type is not None:
            return self._of_type(field.message_type, depth)
        if kind == FieldDescriptor.CPPTYPE_STRING:
            if field.type == FieldDescriptor.TYPE_BYTES:
                return self._chance.randbytes(self._chance.randrange(40))
            return self._text(field.name)
        if field.enum_type is not None:
            known = [value.number for value in field.enum_type.values]
            return self._chance.choice([*known, *known, 99, -1, 2**31 - 1])
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            return self._chance.random() < 0.5
        if kind in WIDTHS:
            return self._chance.choice((0, 1, 2, 7, 100, 2**31 - 1, *(WIDTHS[kind] if self._strange() else ())))
        return self._chance.choice(FLOATS if self._strange() else FLOATS[:4])

    def _of_type(self, descriptor: Descriptor, depth: int) -> Message:
        if descriptor.full_name in {"google.protobuf.Timestamp", "google.protobuf.Duration"}:
            strange = self._strange()
            seconds = self._chance.choice(SECONDS if strange else SECONDS[:4])
            return GetMessageClass(descriptor)(
                seconds=seconds, nanos=self._chance.choice(NANOS if strange else NANOS[:3])
            )
        return self.message(descriptor, depth + 1)

    def _text(self, name: str) -> str:
        if name.endswith("_json"):
            return self._chance.choice(JSONS)
        if not self._strange():
            if name in ID_FIELDS:
                return self._chance.choice(IDS)
            if name == "sha256":
                return _SHA256
            if name == "service_name":
                return "agent"
            if name == "next_page_token":
                return ""
        text = self._chance.choice(TEXTS)
        return json.dumps(text) if self._chance.random() < 0.05 else text

    def _strange(self) -> bool:
        return self._chance.random() < self._wild
