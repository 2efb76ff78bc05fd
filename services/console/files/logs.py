"""`GET /logs/<test>.txt` and `.jsonl`: the output of a test as far as it is stored, or what a filter leaves of it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from assay.v1 import log_pb2, test_service_pb2, test_service_pb2_grpc
from services.console.errors import Problem, Violation
from services.console.files.attachment import DEADLINE_S, attachment, started
from services.console.gateway import Gateway
from services.console.protojson import aside
from services.console.signin.session import Sessions
from shared.escapes import plain, unfinished

Lines = Iterable[Any]
LONGEST_ESCAPE: Final = 4096
"""Characters of an escape that a piece of a line cut off and the next one ends."""
MEDIA: Final = {"txt": "text/plain; charset=utf-8", "jsonl": "application/jsonl"}


def routes(gateway: Gateway, sessions: Sessions) -> APIRouter:
    """Logs as files."""
    router = APIRouter()
    stream: Any = test_service_pb2_grpc.TestServiceStub(gateway.files).StreamLogs

    @router.get("/logs/{name}")
    async def log(
        name: str,
        request: Request,
        streams: Annotated[list[str] | None, Query()] = None,
        min_level: Annotated[str, Query(alias="minLevel")] = "",
        text: str = "",
        match_case: Annotated[bool, Query(alias="matchCase")] = False,  # noqa: FBT002 - a query
        colors: bool = False,  # noqa: FBT001, FBT002 - a query
    ) -> Response:
        session = await sessions.of(request)
        test_id, _, form = name.rpartition(".")
        if form not in MEDIA:
            raise Problem("NOT_FOUND", f"A log ends in .{' or .'.join(MEDIA)}.")
        names = [part for value in streams or () for part in value.split(",") if part]
        wanted = test_service_pb2.StreamLogsRequest(
            test_id=test_id,
            min_level=_number(log_pb2.LogLevel, "LOG_LEVEL", min_level or "UNSPECIFIED", "minLevel"),
            streams=[_number(log_pb2.LogStream, "LOG_STREAM", part, "streams") for part in names],
            text=text,
            match_case=match_case,
        )
        call = stream(wanted, metadata=gateway.metadata(session.bearer), timeout=DEADLINE_S)
        _, messages = await started(call)
        shape = Text(colors=colors) if form == "txt" else json_lines
        return attachment(_content(messages, shape), name, media_type=MEDIA[form])

    return router


async def _content(found: AsyncGenerator[Any, None], shape: Callable[[Lines], str]) -> AsyncGenerator[bytes, None]:
    async with aclosing(found) as messages:
        async for message in messages:
            if message.lines:
                yield (await aside(message.ByteSize(), shape, message.lines)).encode()
    if isinstance(shape, Text) and shape.begun:
        yield b"\n"


class Text:
    """The lines as they were written, the pieces of a long one as one line again.

    Without `colors` it has no ANSI escapes, which only a terminal shows as what they are.
    """

    def __init__(self, *, colors: bool) -> None:
        self.begun = False
        self._colors = colors
        self._last = 0
        self._unfinished = ""

    def __call__(self, lines: Lines) -> str:
        parts = []
        for line in lines:
            goes_on = line.continued and line.seq == self._last + 1
            if self.begun and not goes_on:
                parts.append("\n")
            parts.append(line.text if self._colors else self._plain(line.text, goes_on=goes_on))
            self.begun = True
            self._last = line.seq
        return "".join(parts)

    def _plain(self, text: str, *, goes_on: bool) -> str:
        whole = self._unfinished + text if goes_on else text
        rest = unfinished(whole)
        # A string that is never ended is not kept for ever: memory is bounded.
        self._unfinished = rest if len(rest) <= LONGEST_ESCAPE else ""
        return plain(whole)


def json_lines(lines: Lines) -> str:
    """One object a line, with the fields that `assay logs --json` gives them."""
    return "".join(json.dumps(_fields(line), ensure_ascii=False) + "\n" for line in lines)


def _fields(line: Any) -> dict[str, Any]:
    fields = {
        "seq": line.seq,
        "time": line.time.ToJsonString(),
        "stream": log_pb2.LogStream.Name(line.stream).removeprefix("LOG_STREAM_").lower(),
        "level": log_pb2.LogLevel.Name(line.level).removeprefix("LOG_LEVEL_").lower(),
        "text": line.text,
    }
    return fields | {"continued": True} if line.continued else fields


def _number(kind: Any, prefix: str, name: str, field: str) -> Any:
    """Of `LOG_LEVEL_ERROR` or `error`. Raises Problem."""
    whole = name if name.startswith(prefix) else f"{prefix}_{name.upper()}"
    if whole not in kind.keys():  # noqa: SIM118 - no mapping, an enum of protobuf
        bad = Violation(field, f"must be one of {', '.join(kind.keys())}")
        raise Problem("INVALID_ARGUMENT", bad.description, reason="INVALID_REQUEST", violations=[bad])
    return kind.Value(whole)
