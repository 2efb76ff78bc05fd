"""Sessions of browsers, on a real gateway: keys that work, stop to work or never did; cookies, forged and true."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
from pydantic import SecretStr

from assay.v1 import admin_service_pb2
from services.console.signin.sealing import Seal
from services.console.signin.session import COOKIE
from tests.support.console import SECRET, Browser, Console, console
from tests.support.gateway import Stage
from tests.support.until import until


def cookie_of(response: httpx2.Response) -> str:
    """The Set-Cookie header of the session."""
    return next((one for one in response.headers.get_list("set-cookie") if one.startswith(f"{COOKIE}=")), "")


def is_removed(response: httpx2.Response) -> bool:
    return "Max-Age=0" in cookie_of(response)


async def test_a_key_signs_in_and_out(stage: Stage, front: Console) -> None:
    browser, client = await front.browser(), await stage.client("alice", role="admin")
    before = await browser.get("/session")
    assert (before.status_code, before.json()["code"]) == (401, "UNAUTHENTICATED")
    assert before.json()["signIn"] == {"key": True, "oidc": None}
    assert (await browser.ask("TestService/ListTests")).status_code == 401

    response = await browser.post("/session", json={"key": f"  {client.key}\n"})
    told = response.json()
    assert (told["userId"], told["role"], told["oidc"]) == ("alice", "ROLE_ADMIN", False)
    assert told["signIn"] == {"key": True, "oidc": None}
    assert told["serverVersion"]
    assert abs(datetime.fromisoformat(told["serverTime"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert (await browser.get("/session")).json()["userId"] == "alice"
    assert await browser.call("TestService/ListTests") == {}

    assert (await browser.delete("/session")).status_code == 204
    assert (await browser.get("/session")).status_code == 401
    await client.call("ListApiKeys", admin_service_pb2.ListApiKeysRequest())  # the key works on


async def test_the_key_is_out_of_reach_of_the_page(stage: Stage, front: Console) -> None:
    browser, client = await front.browser(), await stage.client()
    response = await browser.post("/session", json={"key": client.key})
    attributes = {part.strip().lower() for part in cookie_of(response).split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/"} <= attributes
    assert "secure" not in attributes  # browsers drop such a cookie on http://127.0.0.1
    assert client.key not in cookie_of(response) + response.text
    named = await browser.post("/session", json={"key": client.key}, headers={"host": "127.0.0.1"})
    assert named.status_code == 200


async def test_what_is_no_key_signs_nobody_in(stage: Stage, front: Console) -> None:
    browser = await front.browser()
    for key in ("assay_wrong", "a b", "schlüssel", "x\r\nauthorization: y", "k" * 9000, "\ud800", "eyJ.eyJ.x"):
        response = await browser.post("/session", content=b'{"key": "%s"}' % key.encode("unicode_escape"))
        assert response.status_code in {400, 401}, key
        assert not cookie_of(response)
    for body in (b"", b"[]", b"{}", b'{"key": 5}', b'{"key": " "}', b"\xff", b"[" * 10_000):
        response = await browser.post("/session", content=body)
        assert (response.status_code, response.json()["code"]) == (400, "INVALID_ARGUMENT"), body
    large = await browser.post("/session", json={"key": "k" * 100_000})
    assert large.status_code == 413


async def test_a_wrong_key_leaves_a_session_as_it_is(stage: Stage, front: Console) -> None:
    browser = await front.signed_in((await stage.client("alice")).key)
    assert (await browser.post("/session", json={"key": "assay_wrong"})).status_code == 401
    assert (await browser.get("/session")).json()["userId"] == "alice"


async def test_a_session_ends_when_its_key_is_revoked(stage: Stage, front: Console) -> None:
    root, alice = await stage.client("root", role="admin"), await stage.client("alice")
    one, other = await front.browser(), await front.browser()
    await one.sign_in(alice.key)
    other.cookies.update(one.cookies)
    await root.call("RevokeApiKey", admin_service_pb2.RevokeApiKeyRequest(user_id="alice"))

    async def refused() -> httpx2.Response | None:
        response = await one.ask("TestService/ListTests")
        return response if response.status_code == 401 else None

    response = await until(refused, timeout=15)
    assert response
    assert (response.json()["reason"], is_removed(response)) == ("API_KEY_INVALID", True)
    assert COOKIE not in one.cookies
    asked = await other.get("/session")
    assert (asked.status_code, asked.json()["signIn"]["key"], is_removed(asked)) == (401, True, True)


async def test_a_session_ends_with_its_key_at_the_latest(stage: Stage, front: Console) -> None:
    browser = await front.browser()
    soon = await stage.client("alice", expires_at=datetime.now(UTC) + timedelta(seconds=90))
    response = await browser.post("/session", json={"key": soon.key})
    age = next(part for part in cookie_of(response).split(";") if "Max-Age" in part)
    assert 0 < int(age.split("=")[1]) <= 90


async def test_a_session_ends_with_its_time(stage: Stage) -> None:
    async with console(stage.address, console_session_h=1 / 3600) as front:
        browser = await front.browser()
        response = await browser.post("/session", json={"key": (await stage.client()).key})
        kept = cookie_of(response).split(";")[0]  # a browser whose clock is wrong sends it for ever

        async def over() -> bool:
            return (await browser.get("/session", headers={"cookie": kept})).status_code == 401

        await until(over)


async def test_a_cookie_that_is_not_the_consoles_is_no_session(stage: Stage, front: Console) -> None:
    browser, key = await front.browser(), (await stage.client()).key
    await browser.sign_in(key)
    good = browser.cookies[COOKIE]
    whole = {"user": "alice", "bearer": key, "until": 4e9}
    forged = {
        "nothing": "",
        "no token": "x" * 300,
        "changed": good[:-6] + ("A" if good[-6] != "A" else "B") + good[-5:],
        "cut": good[:-10],
        "sealed with another secret": Seal(["another secret that is long enough!!"], "session").close(whole),
        "sealed for something else": Seal([SECRET], "sign-in").close(whole),
        "of another version": Seal([SECRET], "session").close({"user": "alice", "key": key}),
        "over": Seal([SECRET], "session").close({**whole, "until": 1}),
        "no ASCII": "schl\xfcssel",
    }
    browser.cookies.clear()
    for name, value in forged.items():
        header = {"cookie": f"{COOKIE}={value}".encode("latin-1")}
        response = await browser.get("/session", headers=header)  # type: ignore[arg-type]
        assert response.status_code == 401, name
    sealed = Seal([SECRET], "session").close(whole)
    assert (await browser.get("/session", headers={"cookie": f"{COOKIE}={sealed}"})).status_code == 200


async def test_replicas_share_sessions_and_secrets_change_without_an_end(stage: Stage) -> None:
    new = "a newer secret that is long enough as well"
    secrets = {"old": SECRET, "both": f"{new}, {SECRET}", "new": new}
    browser = Browser(headers={"x-assay-console": "1"}, trust_env=False)

    async def status(front: Console) -> int:
        return (await browser.get(f"{front.url}/session")).status_code

    async with (
        browser,
        console(stage.address, console_secrets=SecretStr(secrets["old"])) as old,
        console(stage.address, console_secrets=SecretStr(secrets["old"])) as replica,
        console(stage.address, console_secrets=SecretStr(secrets["both"])) as both,
        console(stage.address, console_secrets=SecretStr(secrets["new"])) as newer,
    ):
        key = {"key": (await stage.client()).key}
        await browser.post(f"{old.url}/session", json=key)
        assert [await status(front) for front in (old, replica, both, newer)] == [200, 200, 200, 401]
        await browser.post(f"{both.url}/session", json=key)
        assert [await status(front) for front in (old, both, newer)] == [401, 200, 200]


async def test_consoles_without_a_secret_do_not_share_one(stage: Stage) -> None:
    none = {"console_secrets": SecretStr("")}
    async with console(stage.address, **none) as one, console(stage.address, **none) as other:
        browser = await one.signed_in((await stage.client()).key)
        assert (await browser.get(f"{one.url}/session")).status_code == 200
        assert (await browser.get(f"{other.url}/session")).status_code == 401


async def test_a_tab_of_one_user_does_nothing_as_another(stage: Stage, front: Console) -> None:
    browser = await front.signed_in((await stage.client("alice")).key)
    as_alice = {"x-assay-user": "alice"}
    assert (await browser.ask("TestService/ListTests", headers=as_alice)).status_code == 200
    await browser.sign_in((await stage.client("bob")).key)
    response = await browser.ask("TestService/ListTests", headers=as_alice)
    assert (response.status_code, response.json()["reason"]) == (401, "USER_CHANGED")
    assert not cookie_of(response)
    assert (await browser.get("/session")).json()["userId"] == "bob"


# -- one-time codes


async def code_of(browser: Browser, key: str) -> Any:
    response = await browser.post("/signin/codes", headers={"authorization": f"Bearer {key}"})
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_link_signs_a_browser_in_once(stage: Stage, front: Console) -> None:
    command = await front.browser(headers={"x-assay-console": ""})  # no page: `assay open`
    key = (await stage.client("alice")).key
    made = await code_of(command, key)
    assert made["expiresInS"] == 120
    assert not command.cookies
    browser, thief = await front.browser(), await front.browser()
    response = await browser.get("/signin/code", params={"code": made["code"], "to": "/tests/tst_1?line=3"})
    assert (response.status_code, response.headers["location"]) == (303, "/tests/tst_1?line=3")
    assert (await browser.get("/session")).json()["userId"] == "alice"
    again = await thief.get("/signin/code", params={"code": made["code"]})
    assert (again.status_code, again.headers["location"]) == (303, "/?signin=expired")
    assert not thief.cookies


async def test_a_code_is_won_by_one_of_many_at_once(stage: Stage, front: Console) -> None:
    browser = await front.browser()
    code = (await code_of(browser, (await stage.client()).key))["code"]
    answers = await asyncio.gather(*(browser.get("/signin/code", params={"code": code}) for _ in range(8)))
    assert sum(bool(cookie_of(one)) for one in answers) == 1


async def test_a_link_leads_to_no_other_site(stage: Stage, front: Console) -> None:
    browser, key = await front.browser(), (await stage.client()).key
    for to in (
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/a\r\nX: y",
        "",
        "x",
    ):
        code = (await code_of(browser, key))["code"]
        response = await browser.get("/signin/code", params={"code": code, "to": to})
        assert (response.headers["location"], "x" in response.headers) == ("/", False), to


async def test_codes_are_for_those_with_a_key(stage: Stage, front: Console) -> None:
    browser = await front.browser()
    for headers in ({}, {"authorization": "Bearer assay_wrong"}, {"authorization": "Basic abc"}):
        response = await browser.post("/signin/codes", headers=headers)
        assert (response.status_code, response.json()["code"]) == (401, "UNAUTHENTICATED")
    await browser.sign_in((await stage.client()).key)
    assert (await browser.post("/signin/codes")).status_code == 401  # a session is not enough
    for code in ("", "x", "ü" * 9000):
        response = await browser.get("/signin/code", params={"code": code})
        assert response.headers["location"] == "/?signin=expired"
