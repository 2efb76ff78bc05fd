"""What a server may say at all: times that a calendar has, finite figures, ids that are ids. Every answer passes here
before anything is made of it.

Decides by the descriptors of messages and by names of fields, so that a new call is looked at, too. Knows nothing of
what an answer means.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from assay.errors import BadAnswer

M = TypeVar("M")
Check = Callable[[Any], None]

# What local clocks can show in every time zone: datetime ends with the year 9999 (protobuf's Timestamp, too).
_FIRST_SECOND: Final = -62_135_596_800 + 2 * 86_400
_LAST_SECOND: Final = 253_402_300_799 - 2 * 86_400
_LONGEST_S: Final = 315_576_000_000  # google.protobuf.Duration: 10,000 years
_NANOS: Final = 1_000_000_000
_LARGEST: Final = 8e13  # as seconds it is still a timedelta; as bytes it is 70 TiB

# Ids become parts of paths and addresses, and words that people copy into a shell.
_TEXTS: Final = {
    **dict.fromkeys(
        ("id", "test_id", "package_id", "original_test_id", "retry_of"), re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]*")
    ),
    "next_page_token": re.compile(r"[A-Za-z0-9_=.~:+/-]+"),
    "sha256": re.compile(r"[0-9a-f]{64}"),
    "service_name": re.compile(r"[a-z][a-z0-9-]{0,62}"),
}
_LONGEST_TEXT: Final = 4096


def sound(answer: M) -> M:
    """The answer itself. Raises BadAnswer for one that no server of Assay gives."""
    if answer is None:  # as grpc.aio has it where the bytes are no message
        raise BadAnswer.of("it", "is no message of its kind")
    descriptor = getattr(answer, "DESCRIPTOR", None)
    if descriptor is not None:
        _check(answer, descriptor)
    return answer


def _check(message: Any, descriptor: Descriptor) -> None:
    for name, presence, check in _checks(descriptor):
        if not presence or message.HasField(name):
            check(getattr(message, name))


@cache
def _checks(descriptor: Descriptor) -> tuple[tuple[str, bool, Check], ...]:
    """Name of a field, whether it may be missing, and what looks at its value. Only fields that can be wrong."""
    found = ((field, _check_of(field)) for field in descriptor.fields)
    return tuple(
        (field.name, field.message_type is not None and not _is_repeated(field), check)
        for field, check in found
        if check
    )


def _check_of(field: FieldDescriptor) -> Check | None:
    one = _check_of_one(field)
    if one is None or not _is_repeated(field):
        return one

    def each(values: Iterable[Any]) -> None:
        for value in values:
            one(value)

    return each


def _check_of_one(field: FieldDescriptor) -> Check | None:
    message = field.message_type
    if message is not None:
        if message.full_name == "google.protobuf.Timestamp":
            return lambda value: _time(field.name, value)
        if message.full_name == "google.protobuf.Duration":
            return lambda value: _duration(field.name, value)
        if message.GetOptions().map_entry or not _checks(message):
            return None
        return lambda value: _check(value, message)
    if field.cpp_type in {FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT}:
        return lambda value: _figure(field.name, value)
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING and field.name in _TEXTS:
        pattern = _TEXTS[field.name]
        return lambda value: _text(field.name, value, pattern)
    return None


def _is_repeated(field: FieldDescriptor) -> bool:
    told = getattr(field, "is_repeated", None)  # protobuf 6.31 and later; `label` is deprecated there
    return bool(told) if told is not None else getattr(field, "label", 0) == FieldDescriptor.LABEL_REPEATED


def _time(name: str, value: Any) -> None:
    if not (_FIRST_SECOND <= value.seconds <= _LAST_SECOND and 0 <= value.nanos < _NANOS):
        raise BadAnswer.of(name, "is a time that no calendar has")


def _duration(name: str, value: Any) -> None:
    if abs(value.seconds) > _LONGEST_S or abs(value.nanos) >= _NANOS:
        raise BadAnswer.of(name, "is longer than any time")


def _figure(name: str, value: float) -> None:
    if not math.isfinite(value) or abs(value) > _LARGEST:
        raise BadAnswer.of(name, f"is {value:g}")


def _text(name: str, value: str, pattern: re.Pattern[str]) -> None:
    if value and (len(value) > _LONGEST_TEXT or not pattern.fullmatch(value)):
        raise BadAnswer.of(name, f"is {value[:80]!r}")
