import secrets
from dataclasses import replace
from typing import Any, cast

import httpx2
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from services.console.errors import Problem
from services.console.guard import Guard
from services.console.signin import key
from services.console.signin.account import Account, Accounts
from services.console.signin.sealing import Seal
from services.console.signin.session import COOKIE, Session, Sessions

NOW = 1_000.0
DUE = Session(user="alice", bearer="old", until=NOW + 600, oidc=True, refresh="r", renew_at=NOW - 1, bearer_until=NOW)


def of_this_console() -> Sessions:
    return Sessions(Seal([secrets.token_hex(16)], "session"), lambda: NOW, lasts_s=600, renew=renewed)


async def renewed(session: Session) -> Session:
    return replace(session, bearer="new", renew_at=NOW + 500)


def asked(cookie: str = "") -> Request:
    headers = [(b"host", b"localhost"), (b"cookie", cookie.encode())]
    scope: dict[str, Any] = {"type": "http", "scheme": "http", "path": "/", "query_string": b"", "headers": headers}
    return Request(scope)


class Refusing:
    """A gateway that takes no token."""

    async def of(self, bearer: str) -> Account:
        assert bearer == "new"
        raise Problem("UNAUTHENTICATED", "Nobody by that token.", dead=True)


async def test_a_session_whose_new_token_the_gateway_refuses_is_over_and_does_not_come_back() -> None:
    sessions, kept, app = of_this_console(), Response(), FastAPI()
    app.include_router(key.routes(sessions, cast("Accounts", Refusing()), oidc=True))
    guarded = Guard(app, hosts={"localhost"}, origin="", finish=sessions.finish)
    sessions.keep(kept, DUE, asked())
    cookie = kept.headers["set-cookie"].split(";")[0]
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(guarded), base_url="http://localhost") as browser:
        answer = await browser.get("/session", headers={"cookie": cookie})
    assert answer.status_code == 401
    assert answer.json()["signIn"]["oidc"] == "/signin/oidc"
    assert [line.split(";")[0] for line in answer.headers.get_list("set-cookie")] == [f'{COOKIE}=""']


def test_a_session_whose_new_token_fits_into_no_cookies_ends_instead_of_breaking_the_answer() -> None:
    sessions, response, request = of_this_console(), Response(), asked(f"{COOKIE}=sealed")
    request.state.renewed = replace(DUE, bearer=secrets.token_hex(20_000))
    sessions.finish(response, request)
    assert response.headers["set-cookie"].startswith(f'{COOKIE}=""')
