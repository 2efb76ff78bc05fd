"""Signing in with OpenID Connect: a real gateway, a real service that signs, and browsers between the two."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest_asyncio
from pydantic import SecretStr

from services.console.signin.oidc import COOKIE as SIGN_IN_COOKIE
from services.console.signin.provider import EARLY_S
from services.console.signin.session import COOKIE
from tests.support.console import Browser, Console, console
from tests.support.gateway import Stage, staged
from tests.support.servers import free_port
from tests.support.sign_in import AUDIENCE, CLIENT, SignIn, rsa_key, signing_in
from tests.support.until import until


@pytest_asyncio.fixture
async def service() -> AsyncIterator[SignIn]:
    async with signing_in() as found:
        yield found


@pytest_asyncio.fixture
async def stage(service: SignIn, nats_url: str, mongo_url: str, mongo_database: str) -> AsyncIterator[Stage]:
    options: dict[str, Any] = {"gateway_oidc_issuer": service.issuer, "gateway_oidc_audience": AUDIENCE}
    async with staged(nats_url, mongo_url, mongo_database, **options) as found:
        yield found


@pytest_asyncio.fixture
async def front(stage: Stage, service: SignIn) -> AsyncIterator[Console]:
    async with console(stage.address, **options(service, free_port())) as found:
        yield found


def options(service: SignIn, port: int, **more: Any) -> dict[str, Any]:
    return {
        "console_port": port,
        "console_url": f"http://127.0.0.1:{port}",
        "console_oidc_issuer": service.issuer,
        "console_oidc_client_id": CLIENT,
        "console_oidc_client_secret": SecretStr("the client's"),
        **more,
    }


async def begun(browser: Browser, to: str = "/") -> str:
    """Where the service sends the browser back to, once somebody has signed in there."""
    away = await browser.get("/signin/oidc", params={"to": to})
    assert away.status_code == 303, away.text
    async with httpx2.AsyncClient(trust_env=False) as at_the_service:
        return str((await at_the_service.get(away.headers["location"])).headers["location"])


async def sign_in(browser: Browser, to: str = "/") -> httpx2.Response:
    return await browser.get(await begun(browser, to))


async def failure(browser: Browser, back: str | None = None) -> str:
    """Why a sign-in did not work."""
    response = await browser.get(back or await begun(browser))
    location = response.headers["location"]
    assert (response.status_code, location.partition("=")[0]) == (303, "/?signin"), location
    assert (await browser.get("/session")).status_code == 401
    return str(location.partition("=")[2])


# -- there and back


async def test_a_browser_is_sent_to_the_service_and_comes_back_signed_in(service: SignIn, front: Console) -> None:
    browser = await front.browser()
    assert (await browser.get("/session")).json()["signIn"] == {"key": True, "oidc": "/signin/oidc"}
    away = urlsplit((await browser.get("/signin/oidc")).headers["location"])
    asked = {name: values[0] for name, values in parse_qs(away.query).items()}
    assert (asked["response_type"], asked["client_id"], asked["code_challenge_method"]) == ("code", CLIENT, "S256")
    assert asked["redirect_uri"] == f"{front.url}/signin/oidc/done"
    assert asked["scope"].split() == ["openid", "profile", "offline_access"]
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 20

    response = await sign_in(browser, "/tests?state=FAILED")
    assert (response.status_code, response.headers["location"]) == (303, "/tests?state=FAILED")
    assert SIGN_IN_COOKIE not in browser.cookies
    told = (await browser.get("/session")).json()
    assert (told["userId"], told["role"], told["oidc"]) == ("alice", "ROLE_USER", True)
    assert await browser.call("TestService/ListTests") == {}
    assert (await browser.delete("/session")).status_code == 204
    assert (await browser.get("/session")).status_code == 401


async def test_keys_go_on_to_sign_in_beside_it(stage: Stage, front: Console) -> None:
    browser = await front.browser()
    told = await browser.sign_in((await stage.client("bob")).key)
    assert (told["userId"], told["oidc"], told["signIn"]["oidc"]) == ("bob", False, "/signin/oidc")


async def test_another_replica_may_finish_what_one_began(stage: Stage, service: SignIn, front: Console) -> None:
    browser = await front.browser()
    back = urlsplit(await begun(browser))
    async with console(stage.address, **options(service, free_port(), console_url=front.url)) as replica:
        response = await browser.get(f"{replica.url}{back.path}?{back.query}")
    assert (response.headers["location"], COOKIE in browser.cookies) == ("/", True)


async def test_the_id_token_is_shown_where_the_gateway_wants_that(
    service: SignIn, nats_url: str, mongo_url: str, mongo_database: str
) -> None:
    audience: dict[str, Any] = {"gateway_oidc_issuer": service.issuer, "gateway_oidc_audience": CLIENT}
    service.access_claims = {"aud": "somebody else"}
    async with (
        staged(nats_url, mongo_url, mongo_database, **audience) as stage,
        console(stage.address, **options(service, free_port(), console_oidc_token="id")) as front,
    ):
        browser = await front.browser()
        await sign_in(browser)
        assert (await browser.get("/session")).json()["userId"] == "alice"


async def test_tokens_of_many_claims_fit_into_cookies(service: SignIn, front: Console) -> None:
    service.access_claims = {"groups": [f"group-{number}" for number in range(300)]}
    browser = await front.browser()
    await sign_in(browser)
    assert {COOKIE, f"{COOKIE}_1"} <= set(browser.cookies)
    assert (await browser.get("/session")).json()["userId"] == "alice"
    service.access_claims = {"groups": ["x" * 20_000]}
    assert await failure(await front.browser()) == "refused"


# -- what is refused


async def test_a_way_back_is_for_the_browser_that_set_out_and_works_once(front: Console) -> None:
    browser, other = await front.browser(), await front.browser()
    back = await begun(browser)
    assert await failure(other, back) == "expired"
    assert await failure(other, f"{front.url}/signin/oidc/done?code=x&state=y") == "expired"
    await begun(other)
    assert await failure(other, back) == "refused"  # the state is of another sign-in
    assert (await browser.get(back)).headers["location"] == "/"
    again = await browser.get(back)
    assert again.headers["location"] == "/?signin=expired"


async def test_what_comes_back_wrong_is_refused(front: Console) -> None:
    browser = await front.browser()
    done = f"{front.url}/signin/oidc/done"
    state = parse_qs(urlsplit(await begun(browser)).query)["state"][0]
    assert await failure(browser, f"{done}?error=access_denied&state={state}") == "declined"
    for wrong in ("code=wrong&state={}", "code=wrong", "state={}", "", "error=<b>x&state={}", "code=a&state={}&iss=x"):
        state = parse_qs(urlsplit(await begun(browser)).query)["state"][0]
        assert await failure(browser, f"{done}?{wrong.format(state)}") == "refused", wrong


async def test_an_id_token_that_does_not_hold_signs_nobody_in(service: SignIn, front: Console) -> None:
    browser = await front.browser()
    for claims in (
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another client"},
        {"iss": "https://elsewhere.example"},
        {"exp": 1},
        {"key": rsa_key()},
    ):
        service.id_claims = claims
        assert await failure(browser) == "refused", claims


async def test_a_token_that_the_gateway_refuses_signs_nobody_in(service: SignIn, front: Console) -> None:
    service.access_claims = {"aud": "billing"}
    assert await failure(await front.browser()) == "refused"


async def test_a_service_that_answers_wrongly_is_unavailable_and_found_again(service: SignIn, front: Console) -> None:
    browser = await front.browser()
    for said in (["a list"], "text", 5, None):
        service.said = said
        away = await browser.get("/signin/oidc")
        assert (away.status_code, away.headers["location"]) == (303, "/?signin=unavailable"), said
    assert not browser.cookies
    service.said = {}
    answers: list[Any] = [[], "text", 5, {}, {"access_token": 5, "id_token": 5}, {"error": "temporarily_unavailable"}]
    for answer in answers:
        service.token_answer = answer
        assert await failure(browser) in {"refused", "unavailable"}, answer
    service.token_answer = None
    assert (await sign_in(browser)).headers["location"] == "/"


async def test_a_discovery_document_of_another_issuer_is_not_believed(service: SignIn, front: Console) -> None:
    browser = await front.browser()
    service.said = {"issuer": "https://elsewhere.example"}
    away = await browser.get("/signin/oidc")
    assert away.headers["location"] == "/?signin=unavailable"
    assert not browser.cookies


async def test_a_token_endpoint_that_fails_signs_nobody_in(service: SignIn, front: Console) -> None:
    browser = await front.browser()
    service.token_status = 500
    assert await failure(browser) == "unavailable"
    service.token_status = 200
    assert (await sign_in(browser)).headers["location"] == "/"


# -- the next token


async def test_a_token_that_ends_is_renewed_once_for_all_who_ask_at_once(service: SignIn, front: Console) -> None:
    service.lasts_s = int(EARLY_S) + 2
    browser = await front.browser()
    await sign_in(browser)
    service.lasts_s = 300  # the next one is not due while the test looks, however slow the machine is
    before = browser.cookies[COOKIE]
    assert service.refreshed == 0

    async def renewed() -> bool:
        answers = await asyncio.gather(*(browser.ask("TestService/ListTests") for _ in range(5)))
        assert {one.status_code for one in answers} == {200}
        return service.refreshed > 0

    await until(renewed, timeout=20)
    assert service.refreshed == 1
    assert browser.cookies[COOKIE] != before
    assert (await browser.get("/session")).json()["userId"] == "alice"
    stale = {"cookie": f"{COOKIE}={before}"}  # sent before the new cookie had come
    browser.cookies.clear()
    assert (await browser.get("/session", headers=stale)).status_code == 200
    assert service.refreshed == 1


async def test_a_session_ends_when_the_service_gives_no_further_token(service: SignIn, front: Console) -> None:
    service.lasts_s = int(EARLY_S) + 2
    browser = await front.browser()
    await sign_in(browser)
    service.refreshes.clear()  # an admin of the service ended it

    async def over() -> bool:
        return bool((await browser.ask("TestService/ListTests")).json().get("reason") == "SESSION_ENDED")

    await until(over, timeout=20)
    assert COOKIE not in browser.cookies
    assert (await browser.get("/session")).status_code == 401


async def test_while_the_service_is_away_a_token_that_works_goes_on(service: SignIn, front: Console) -> None:
    service.lasts_s = 3
    browser = await front.browser()
    await sign_in(browser)
    service.token_status = 500
    assert (await browser.ask("TestService/ListTests")).status_code == 200

    async def tried_again() -> bool:
        answer = await browser.ask("TestService/ListTests")
        assert answer.status_code in {200, 503}
        return answer.status_code == 503

    await until(tried_again, timeout=30)
    service.token_status = 200
    assert (await browser.ask("TestService/ListTests")).status_code == 200
    assert COOKIE in browser.cookies


# -- signing out meanwhile


async def renewing(service: SignIn, front: Console) -> tuple[Browser, list[asyncio.Task[httpx2.Response]]]:
    """A browser, and requests of it that wait for the next token."""
    service.lasts_s = int(EARLY_S) + 1
    browser = await front.browser()
    await sign_in(browser)
    service.lasts_s = 300
    service.renews.clear()
    begun: list[asyncio.Task[httpx2.Response]] = []

    async def waits() -> bool:
        begun.append(asyncio.create_task(browser.ask("TestService/ListTests")))
        await asyncio.wait(begun[-1:], timeout=0.3)
        return service.renewing == 1  # not how long an answer takes: a machine may stall

    await until(waits, timeout=20)
    begun += [asyncio.create_task(browser.ask("TestService/ListTests")) for _ in range(3)]
    return browser, begun


async def test_who_signs_out_while_a_token_is_renewed_is_signed_out(service: SignIn, front: Console) -> None:
    browser, under_way = await renewing(service, front)
    assert (await browser.delete("/session")).status_code == 204
    service.renews.set()
    assert (await under_way[0]).status_code == 200
    await asyncio.gather(*under_way)
    assert COOKIE not in browser.cookies
    assert (await browser.get("/session")).status_code == 401


async def test_who_signs_in_as_somebody_else_meanwhile_stays_that(
    stage: Stage, service: SignIn, front: Console
) -> None:
    browser, under_way = await renewing(service, front)
    await browser.sign_in((await stage.client("bob")).key)  # without signing out
    service.renews.set()
    await asyncio.gather(*under_way)
    assert (await browser.get("/session")).json()["userId"] == "bob"


async def test_a_replica_that_does_not_know_who_signed_out_brings_nobody_back(
    stage: Stage, service: SignIn, front: Console
) -> None:
    browser, under_way = await renewing(service, front)
    async with console(stage.address, **options(service, free_port(), console_url=front.url)) as replica:
        assert (await browser.delete(f"{replica.url}/session")).status_code == 204
        service.renews.set()
        await asyncio.gather(*under_way)
        for url in (front.url, replica.url):
            assert (await browser.get(f"{url}/session")).status_code == 401
            assert (await browser.post(f"{url}/api/TestService/ListTests", content="{}")).status_code == 401
    await sign_in(browser)
    assert (await browser.get("/session")).json()["userId"] == "alice"
