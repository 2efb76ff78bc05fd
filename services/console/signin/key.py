"""`/session`: signing in with an API key, who is signed in, and signing out."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assay.v1 import admin_service_pb2
from services.console.bodies import read_object
from services.console.errors import Problem, json_response
from services.console.metrics import SIGN_INS
from services.console.signin.account import Account, Accounts
from services.console.signin.session import Sessions

LARGEST_BODY: Final = 16 * 1024
LONGEST_KEY: Final = 8 * 1024


def routes(sessions: Sessions, accounts: Accounts, *, oidc: bool) -> APIRouter:
    """Signing in with a key."""
    router = APIRouter()

    @router.get("/session")
    async def who(request: Request) -> Response:
        try:
            session = await sessions.of(request)
            return json_response(told(await accounts.of(session.bearer), by_oidc=session.oidc, oidc=oidc))
        except Problem as problem:
            if problem.code != "UNAUTHENTICATED":
                raise
            response = problem.response(signIn=ways(oidc=oidc))
            if problem.dead:
                sessions.over(response, request)
            return response

    @router.post("/session")
    async def sign_in(request: Request) -> Response:
        key = (await read_object(request, LARGEST_BODY)).get("key")
        if not isinstance(key, str) or not (key := key.strip()):
            raise Problem("INVALID_ARGUMENT", "Enter an API key.", reason="NO_KEY")
        account = await accounts.of(checked(key))
        response = json_response(told(account, by_oidc=False, oidc=oidc))
        sessions.begin(response, accounts.session(account, key), request)
        SIGN_INS.labels("key").inc()
        return response

    @router.delete("/session")
    async def sign_out(request: Request) -> Response:
        response = Response(status_code=204)
        sessions.sign_out(response, request)
        return response

    return router


def checked(key: str) -> str:
    """Raises Problem for what no key looks like, and what would break a header."""
    if len(key) > LONGEST_KEY or not (key.isascii() and key.isprintable()) or " " in key:
        raise Problem(
            "UNAUTHENTICATED", "This is no API key. Copy it again, whole and alone.", reason="API_KEY_INVALID"
        )
    return key


def ways(*, oidc: bool) -> dict[str, Any]:
    """How one can sign in here."""
    return {"key": True, "oidc": "/signin/oidc" if oidc else None}


def told(account: Account, *, by_oidc: bool, oidc: bool) -> dict[str, Any]:
    """Who is signed in, as the page gets it."""
    return {
        "userId": account.user_id,
        "role": admin_service_pb2.Role.Name(account.role),
        "oidc": by_oidc,
        "signIn": ways(oidc=oidc),
        "serverVersion": account.server_version,
        "serverTime": account.server_time.ToJsonString(),
    }
