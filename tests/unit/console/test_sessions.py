import secrets
from dataclasses import replace
from typing import Any, cast

import httpx2
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from services.console.errors import Problem
from services.console.guard import Guard
from services.console.signin import key
from services.console.signin.account import Account, Accounts
from services.console.signin.ended import COOKIE as ENDED
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


# -- what was sent before a sign-out, and is answered after the next sign-in


def told(response: Response) -> dict[str, str]:
    """The cookies that a browser has of this answer. Empty: it removes one."""
    lines = (line.split(";")[0].partition("=") for line in response.headers.getlist("set-cookie"))
    return {name: value.strip('"') for name, _, value in lines}


def as_header(*jars: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for jar in jars for name, value in jar.items() if value)


def begun(sessions: Sessions, user: str, request: Request) -> dict[str, str]:
    response = Response()
    sessions.begin(response, Session(user=user, bearer="key", until=NOW + 600), request)
    return told(response)


def signed_out(sessions: Sessions, jar: dict[str, str]) -> dict[str, str]:
    response = Response()
    sessions.sign_out(response, asked(as_header(jar)))
    return told(response)


async def refused(sessions: Sessions, request: Request) -> dict[str, str]:
    """The cookies of the answer to whoever has no session."""
    response = Response()
    with pytest.raises(Problem, match="not signed in"):
        await sessions.of(request)
    sessions.finish(response, request)
    return told(response)


async def test_a_request_from_before_a_sign_out_removes_no_cookie_of_whoever_signed_in_since() -> None:
    sessions = of_this_console()
    alice = begun(sessions, "alice", asked())
    late = asked(as_header(alice))
    ended = signed_out(sessions, alice)
    bob = begun(sessions, "bob", asked(as_header(ended)))
    answer = await refused(sessions, late)
    assert (await sessions.of(asked(as_header(bob, answer)))).user == "bob"
    # And whose browser never got the answer to the sign-out hears so now.
    assert answer == {ENDED: ended[ENDED]}
    assert await refused(sessions, asked(as_header(alice, answer))) == {COOKIE: ""}


async def test_a_key_that_is_refused_late_signs_nobody_out_who_signed_in_since() -> None:
    sessions, response = of_this_console(), Response()
    alice = begun(sessions, "alice", asked())
    late = asked(as_header(alice))
    await sessions.of(late)
    begun(sessions, "bob", asked(as_header(alice)))
    sessions.over(response, late)
    sessions.finish(response, late)
    assert told(response) == {}
    now = asked(as_header(carol := begun(sessions, "carol", asked())))
    await sessions.of(now)
    sessions.over(response, now)
    assert (told(response), COOKIE in carol) == ({COOKIE: ""}, True)


@pytest.mark.parametrize("tossed", ["x" * 3_900, "a." * 1_900, "." * 3_900])
async def test_what_somebody_else_wrote_into_the_cookie_of_ended_sessions_keeps_none_out(tossed: str) -> None:
    sessions = of_this_console()
    alice = begun(sessions, "alice", asked())
    ended = signed_out(sessions, {**alice, ENDED: tossed})
    assert f"{ENDED}_1" not in ended
    replica = Sessions(sessions._seal, lambda: NOW, lasts_s=600)
    assert await refused(replica, asked(as_header(alice, ended))) == {COOKIE: ""}
