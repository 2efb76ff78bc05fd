"""Messages of the API as ProtoJSON, in both directions. Knows no message by name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from services.console.errors import Problem

MANY_BYTES: Final = 32 * 1024
"""From here on a message is turned in a thread: it takes milliseconds, in which all others would wait."""
DEEPEST: Final = 64
"""No message of the API is nested deeper than ten."""
_Kind = TypeVar("_Kind", bound=Message)
_Given = ParamSpec("_Given")
_Made = TypeVar("_Made")


def protojson(message: Message) -> str:
    """A message as ProtoJSON: camelCase, names of enums, int64 as strings, what is not set left out."""
    return json_format.MessageToJson(message, indent=None, ensure_ascii=False)


def from_protojson(kind: type[_Kind], body: str | bytes) -> _Kind:
    """Raises Problem, which says where the text is wrong."""
    try:
        return json_format.Parse(body or b"{}", kind(), max_recursion_depth=DEEPEST)
    except json_format.ParseError as error:
        raise Problem(
            "INVALID_ARGUMENT", f"The request cannot be read: {error}", reason="UNREADABLE_REQUEST"
        ) from error
    except (UnicodeError, RecursionError) as error:
        raise Problem("INVALID_ARGUMENT", "The request is no JSON.", reason="UNREADABLE_REQUEST") from error


async def aside(size: int, work: Callable[_Given, _Made], *arguments: _Given.args, **named: _Given.kwargs) -> _Made:
    """What `work` makes of `size` bytes: here where they are few, and in a thread where they are many."""
    if size > MANY_BYTES:
        return await asyncio.to_thread(work, *arguments, **named)
    return work(*arguments, **named)
