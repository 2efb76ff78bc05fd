"""The route of the event stream: decodes the query and answers with the stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import JSONResponse, Response

from services.console.events.failures import Failure
from services.console.events.feeds import BadQuery, parse
from services.console.events.openings import Opening
from services.console.events.positions import Positions
from services.console.events.stream import EventStream


def event_routes(bearer: Callable[..., Any]) -> APIRouter:
    """`bearer`: the dependency that gives the session's API key or token, or refuses the request.

    The application's state has `channel` to the gateway, and `tabs`."""
    router = APIRouter()

    @router.get("/events")
    async def events(
        request: Request,
        key: Annotated[str, Depends(bearer)],
        feeds: Annotated[str, Query()] = "",
        last_event_id: Annotated[str, Query(alias="lastEventId")] = "",
        resumed: Annotated[str, Header(alias="Last-Event-ID")] = "",
    ) -> Response:
        try:
            wanted = parse(feeds)
            # A browser that reconnects by itself repeats the query and says in the header what it has seen since.
            positions = Positions(wanted, resumed or last_event_id)
        except BadQuery as bad:
            failure = Failure("INVALID_ARGUMENT", str(bad), "INVALID_REQUEST", tuple(bad.violations))
            return JSONResponse(failure.body(), status_code=400)
        state = request.app.state
        return EventStream(wanted, positions, Opening(state.channel, key), state.tabs)

    return router
