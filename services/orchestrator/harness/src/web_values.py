"""Responses of web frameworks, as what they would send."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.jsontext import from_json
from services.orchestrator.harness.src.kinds import UNFIT, Kind, is_a, part

if TYPE_CHECKING:
    from typing import Any


def is_a_response(kind: Kind) -> bool:
    """Of Starlette (and FastAPI), Flask, Django, aiohttp."""
    return (
        is_a("starlette", "Response")(kind)
        or is_a("werkzeug", "Response")(kind)
        or is_a("django", "HttpResponseBase")(kind)
        or is_a("aiohttp", "Response", "StreamResponse")(kind)
    )


def body_of_response(value: Any) -> object:
    """The JSON in it, or its text, or its bytes; a mark where it is sent piece by piece or from a file."""
    kind = Kind(type(value))
    if is_a("werkzeug", "Response")(kind):
        raw = UNFIT if value.is_streamed else value.get_data()
    else:
        raw = part(value, "content" if "django" in kind.roots else "body")
    if not isinstance(raw, (bytes, bytearray, memoryview)):
        path = part(value, "path")
        return f"[a response from the file {path}]" if isinstance(path, str) else "[a response that is streamed]"
    try:
        text = bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        return bytes(raw)
    try:
        return from_json(text)
    except (ValueError, RecursionError):
        return text
