"""`/signin/oidc`: to the sign-in service and back.

What must be remembered on the way is sealed in a cookie of this browser's, so that any replica can finish, and nobody
can be brought to finish a sign-in that somebody else began.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.console.errors import Problem
from services.console.metrics import SIGN_INS
from services.console.signin import cookies
from services.console.signin.account import Accounts
from services.console.signin.code import FAILED, own_path
from services.console.signin.provider import Provider, SignInFailed
from services.console.signin.renewal import renewed
from services.console.signin.sealing import Seal
from services.console.signin.session import Session, Sessions

log = structlog.get_logger()

COOKIE: Final = "assay_signin"
PATH: Final = "/signin"
DONE: Final = "/signin/oidc/done"
LASTS_S: Final = 600
"""As long as somebody may take to sign in at the service."""


def routes(
    provider: Provider, sessions: Sessions, accounts: Accounts, seal: Seal, now: Callable[[], float], *, origin: str
) -> APIRouter:
    """Signing in with OpenID Connect. `origin`: where the service sends people back to."""
    router = APIRouter()

    @router.get("/signin/oidc")
    async def begin(request: Request, to: str = "/") -> Response:
        try:
            url, remembered = await provider.begin(origin + DONE)
        except SignInFailed as failure:
            return failed(failure)
        response = RedirectResponse(url, status_code=303)
        sealed = seal.close({"to": own_path(to)[:1000], "until": now() + LASTS_S, "remembered": remembered})
        cookies.write(response, COOKIE, sealed, request, seconds=LASTS_S, path=PATH)
        return response

    @router.get(DONE)
    async def done(request: Request) -> Response:
        begun = seal.open(cookies.read(request.cookies, COOKIE))
        if begun is None or begun["until"] < now():
            return RedirectResponse(FAILED.format(why="expired"), status_code=303)
        try:
            tokens = await provider.finish(request, begun["remembered"])
            account = await accounts.of(tokens.bearer)
            session = Session(user=account.user_id, bearer="", until=now() + sessions.lasts_s, oidc=True)
            response: Response = RedirectResponse(begun["to"], status_code=303)
            sessions.begin(response, renewed(session, tokens, now()), request)
            SIGN_INS.labels("oidc").inc()
        except SignInFailed as failure:
            response = failed(failure)
        except Problem as problem:  # the gateway's word on a token that the service gave
            away = problem.code in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
            response = failed(SignInFailed("unavailable" if away else "refused", problem.message))
        except cookies.TooManyPieces:
            response = failed(SignInFailed("refused", "the tokens are too large for cookies"))
        cookies.remove(response, COOKIE, request, path=PATH)
        return response

    return router


def failed(failure: SignInFailed) -> Response:
    """Back to the page, which says it in words; the log has the story."""
    log.warning("sign_in_failed", why=failure.why, error=str(failure))
    return RedirectResponse(FAILED.format(why=failure.why), status_code=303)
