"""Answers that are plain JSON data already, as most are: told in one pass, without what it takes to convert others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.jsontext import to_json

if TYPE_CHECKING:
    from typing import Any


DEEPEST_PLAIN = 60  # answers.py counts exactly, and says where it is too deep
LONGEST_PLAIN = 1 << 20  # characters and values: of more it is told what is cut
LONGEST_PLAIN_KEY = 10_000
MOST_PLAIN_BITS = 14_000  # of an integer that every reader can read


class NotPlain(Exception):
    """It is for `Answering` to say what becomes of the value."""


def plain_copy(value: Any, limit: int) -> Any:
    """What `Answering` would make of it without a note, in at most `limit` bytes as JSON. Raises NotPlain, where
    that may not be so."""
    try:
        copy = _plain(value, DEEPEST_PLAIN, [min(limit, LONGEST_PLAIN)])
    except UnicodeEncodeError:
        raise NotPlain from None
    if len(to_json(copy).encode("utf-8")) > limit:
        raise NotPlain
    return copy


def _plain(value: Any, depth: int, room: list[int]) -> Any:
    """By exact types: what is made from one of them may do anything when asked. A copy, as threads may change it."""
    kind = type(value)
    room[0] -= 1
    if room[0] < 0:
        raise NotPlain
    if kind is str:
        room[0] -= len(value)
        if not value.isascii():
            value.encode("utf-8")  # half a surrogate pair is no text
        return value
    if kind is dict or kind is list or kind is tuple:
        if not depth:
            raise NotPlain
        if kind is not dict:
            return [_plain(item, depth - 1, room) for item in value]
        return {_plain_key(key, room): _plain(item, depth - 1, room) for key, item in list(value.items())}
    if value is None or kind is bool or (kind is int and value.bit_length() <= MOST_PLAIN_BITS):
        return value
    if kind is float and value - value == 0:  # neither infinite nor no number
        return value
    raise NotPlain


def _plain_key(key: Any, room: list[int]) -> str:
    if type(key) is not str or len(key) > LONGEST_PLAIN_KEY:
        raise NotPlain
    text: str = _plain(key, 0, room)
    return text
