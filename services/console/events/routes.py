"""The route of the event stream: reads the query and answers with the stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.console.events.connections import Connections
from services.console.events.feeds import parse
from services.console.events.openings import Opening
from services.console.events.positions import Positions
from services.console.events.stream import EventStream
from services.console.events.tabs import Tabs
from services.console.gateway import Gateway
from services.console.signin.session import Sessions


def routes(gateway: Gateway, sessions: Sessions, tabs: Tabs, now: Callable[[], float]) -> APIRouter:
    """`GET /events`. `now`: seconds since 1970."""
    router = APIRouter()
    connections = Connections(gateway.connect)

    @router.get("/events")
    async def events(request: Request) -> Response:
        session = await sessions.of(request)
        feeds = parse(request.query_params.get("feeds", ""))
        # A browser that reconnects by itself repeats the query, and says in the header what it has seen since.
        seen = request.headers.get("last-event-id") or request.query_params.get("lastEventId", "")
        ends = min(session.until, session.renew_at or session.until)
        return EventStream(
            feeds,
            Positions(feeds, seen),
            _opening(connections, len(feeds), gateway.metadata(session.bearer)),
            tabs,
            session.user,
            lasts_s=max(0.0, ends - now()),
        )

    return router


@contextmanager
def _opening(connections: Connections, feeds: int, metadata: tuple[tuple[str, str], ...]) -> Iterator[Opening]:
    with connections.room(feeds) as channel:
        yield Opening(channel, metadata)
