"""From a message of the gateway to events for a tab. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from assay.v1 import test_service_pb2
from services.console.events.positions import SEEN

PIECE_LINES: Final = 200
PIECE_CHARACTERS: Final = 64 * 1024
"""A message has up to 1 MiB of lines. In pieces, the other feeds and tabs get their turn, and memory stays small."""


@dataclass(frozen=True, slots=True)
class Event:
    """What a tab is told by one feed, and how far the feed has come with it."""

    kind: str
    data: dict[str, Any]
    position: int
    retry: bool | None = None
    """Of an error: whether the feed is taken up again."""


def events(kind: str, message: Message, position: int, *, again: bool) -> Iterator[Event]:
    """The events of one message. `again`: the feed was lost since its message before."""
    if isinstance(message, test_service_pb2.StreamLogsResponse):
        yield from _log_events(kind, message, position)
        return
    if isinstance(message, test_service_pb2.WatchTestsResponse) and again:
        message.more = True  # nobody looked meanwhile: whoever shows a list reads it again
    yield Event(kind, MessageToDict(message), SEEN)


def _log_events(kind: str, message: test_service_pb2.StreamLogsResponse, position: int) -> Iterator[Event]:
    rest = MessageToDict(
        test_service_pb2.StreamLogsResponse(
            partial_lines=message.partial_lines, complete=message.complete if message.HasField("complete") else None
        )
    )
    pieces = list(_pieces(message))
    for place, (first, last) in enumerate(pieces):
        lines = message.lines[first:last]
        data = {"lines": [MessageToDict(line) for line in lines]}
        position = lines[-1].seq
        yield Event(kind, data | (rest if place == len(pieces) - 1 else {}), position)
    if rest and not pieces:
        yield Event(kind, rest, position)


def _pieces(message: test_service_pb2.StreamLogsResponse) -> Iterator[tuple[int, int]]:
    """From where to where the lines of each piece go."""
    first = characters = 0
    for place, line in enumerate(message.lines):
        size = len(line.text)
        if place > first and (place - first == PIECE_LINES or characters + size > PIECE_CHARACTERS):
            yield first, place
            first, characters = place, 0
        characters += size
    if first < len(message.lines):
        yield first, len(message.lines)


def is_last(message: Message) -> bool:
    """Whether the output of a test has ended with this message."""
    return isinstance(message, test_service_pb2.StreamLogsResponse) and message.HasField("complete")
