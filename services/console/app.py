"""Constructs the console and wires it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from services.console import calls, page
from services.console.errors import Problem, Violation
from services.console.events.routes import routes as event_routes
from services.console.events.tabs import Tabs
from services.console.files import downloads, export, logs, packages, uploads
from services.console.gateway import Gateway, connected
from services.console.guard import Guard, fault
from services.console.serving import inherited, listen, serving
from services.console.settings import ConsoleSettings
from services.console.signin import code, key, oidc
from services.console.signin.account import Accounts
from services.console.signin.code import Codes
from services.console.signin.provider import Provider
from services.console.signin.renewal import Renewals
from services.console.signin.sealing import Seal, some_secret
from services.console.signin.session import Sessions
from shared.telemetry.health import Health

log = structlog.get_logger()


class ConsoleHealth(Health):
    """The console's health, and where it listens.

    It is ready without a gateway: the page says that the gateway is away, and goes on when it is back."""

    def __init__(self) -> None:
        super().__init__("console")
        self.port = 0
        """The port of the settings, or the free one that was taken."""


@asynccontextmanager
async def running(settings: ConsoleSettings) -> AsyncIterator[ConsoleHealth]:
    """The console at work. At the end streams are sent elsewhere and requests under way are let finish."""
    health = ConsoleHealth()
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(connected(settings))
        tabs = Tabs(settings.console_max_streams, settings.console_max_streams_of_user)
        health.port = await stack.enter_async_context(
            serving(
                application(settings, gateway, tabs),
                inherited(settings.descriptors) or [listen(settings.console_host, settings.console_port)],
                drain_s=settings.console_drain_s,
                draining=tabs.drain,
            )
        )
        yield health


def application(settings: ConsoleSettings, gateway: Gateway, tabs: Tabs) -> Guard:
    """Every route, behind the guard."""
    secrets = settings.secrets
    if not secrets:
        log.warning("sessions_end_with_the_console", why="ASSAY_CONSOLE_SECRETS is not set")
        secrets = [some_secret()]
    lasts_s = settings.console_session_h * 3600
    provider = Provider(settings, time.time) if settings.console_oidc_issuer else None
    renewals = Renewals(provider, time.time) if provider else None
    sessions = Sessions(Seal(secrets, "session"), time.time, lasts_s=lasts_s, renew=renewals)
    accounts = Accounts(gateway, time.time, lasts_s=lasts_s)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(calls.routes(gateway, sessions, most_bytes=settings.console_max_body_bytes))
    app.include_router(key.routes(sessions, accounts, oidc=provider is not None))
    app.include_router(code.routes(sessions, accounts, Codes(time.monotonic)))
    if provider:
        seal = Seal(secrets, "sign-in")
        app.include_router(oidc.routes(provider, sessions, accounts, seal, time.time, origin=settings.origin))
    app.include_router(uploads.routes(gateway, sessions, most_bytes=settings.console_max_upload_bytes))
    for room in (downloads, logs, packages, export):
        app.include_router(room.routes(gateway, sessions))
    app.include_router(event_routes(gateway, sessions, tabs, time.time))
    app.include_router(page.routes(settings.console_page))

    @app.exception_handler(Problem)
    async def refused(request: Request, problem: Problem) -> Response:
        response = problem.response()
        if problem.dead:
            sessions.over(response, request)
        return response

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: ClientDisconnect) -> Response:  # noqa: ARG001 - Starlette's signature
        return Problem("CANCELLED", "The browser went before all of its request had come.").response()

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:  # noqa: ARG001 - as above
        return fault().response()  # the guard logs it

    @app.exception_handler(HTTPException)
    async def misdirected(request: Request, error: HTTPException) -> Response:  # noqa: ARG001 - as above
        names = {404: "NOT_FOUND", 405: "UNIMPLEMENTED"}
        return Problem(
            names.get(error.status_code, "INVALID_ARGUMENT"), error.detail, status=error.status_code
        ).response()

    @app.exception_handler(RequestValidationError)
    async def unreadable(request: Request, error: RequestValidationError) -> Response:  # noqa: ARG001 - as above
        bad = [Violation(str(one["loc"][-1]), str(one["msg"])) for one in error.errors()]
        message = "; ".join(f"{one.field}: {one.description}" for one in bad)
        return Problem("INVALID_ARGUMENT", message, reason="INVALID_REQUEST", violations=bad).response()

    return Guard(app, hosts=settings.hosts, origin=settings.origin, finish=sessions.finish)
