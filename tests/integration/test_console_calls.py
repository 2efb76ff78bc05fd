"""Calls of the API through the console, on a real gateway: what comes through, what is refused, and a gateway away."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from services.console.settings import ConsoleSettings
from services.console.signin.sealing import Seal
from services.console.signin.session import COOKIE
from shared.errors import Unavailable
from shared.settings import BadEnvironment
from tests.support.console import SECRET, Browser, Console, console
from tests.support.gateway import CODE, Stage, staged
from tests.support.servers import free_port
from tests.support.until import until


@pytest_asyncio.fixture
async def alice(stage: Stage, front: Console) -> Browser:
    return await signed_in(stage, front, "alice")


async def signed_in(stage: Stage, front: Console, user: str, **more: Any) -> Browser:
    return await front.signed_in((await stage.client(user, **more)).key)


# -- calls


async def test_a_call_is_protojson_in_both_directions(stage: Stage, alice: Browser) -> None:
    spec = {"agentCode": CODE, "query": "<b>why</b>", "timeout": "30s", "labels": {"a": "ü"}}
    test = (await alice.call("TestService/SubmitTest", {"spec": spec}))["test"]
    await stage.others.started(test["id"])
    found = (await alice.call("TestService/GetTest", {"testId": test["id"]}))["test"]
    assert (found["userId"], found["state"]) == ("alice", "TEST_STATE_RUNNING")
    assert found["spec"]["query"] == "<b>why</b>"
    assert found["spec"]["labels"] == {"a": "ü"}
    assert found["spec"]["timeout"] == "30s"


async def test_an_answer_is_json_that_no_browser_takes_for_a_page(alice: Browser) -> None:
    response = await alice.ask("AccountService/GetAccount")
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-security-policy"].startswith("default-src 'none'")


async def test_an_empty_body_is_an_empty_request(alice: Browser) -> None:
    response = await alice.post("/api/TestService/ListTests", content=b"")
    assert (response.status_code, response.json()) == (200, {})


async def test_every_bad_field_comes_through_with_its_path(alice: Browser) -> None:
    response = await alice.ask("TestService/SubmitTest", {"spec": {"agentCode": "", "resources": {"cpu": -1}}})
    assert response.status_code == 400
    body = response.json()
    assert (body["code"], body["reason"]) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert {"spec.agent_code", "spec.resources.cpu"} <= {bad["field"] for bad in body["violations"]}
    assert all(bad["description"] for bad in body["violations"])


async def test_another_users_test_is_not_there(stage: Stage, front: Console, alice: Browser) -> None:
    test_id = (await alice.call("TestService/SubmitTest", {"spec": {"agentCode": CODE}}))["test"]["id"]
    bob = await signed_in(stage, front, "bob")
    for method in ("GetTest", "CancelTest", "GetLogs", "RetryTest"):
        response = await bob.ask(f"TestService/{method}", {"testId": test_id})
        assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND"), method


async def test_a_users_limit_says_when_to_come_back(nats_url: str, mongo_url: str, mongo_database: str) -> None:
    async with (
        staged(nats_url, mongo_url, mongo_database, gateway_submissions_per_hour=1) as stage,
        console(stage.address) as front,
    ):
        browser = await signed_in(stage, front, "alice")
        await browser.call("TestService/SubmitTest", {"spec": {"agentCode": CODE}})
        response = await browser.ask("TestService/SubmitTest", {"spec": {"agentCode": CODE}})
    assert (response.status_code, response.json()["reason"]) == (429, "RATE_LIMITED")
    assert 0 < response.json()["retryAfterMs"] <= 3_600_000


async def test_who_is_no_admin_is_told_so(alice: Browser) -> None:
    response = await alice.ask("AdminService/ListApiKeys")
    assert (response.status_code, response.json()["code"]) == (403, "PERMISSION_DENIED")


async def test_an_admin_has_the_methods_of_admins(stage: Stage, front: Console) -> None:
    admin = await signed_in(stage, front, "root", role="admin")
    assert (await admin.call("AdminService/ListApiKeys"))["keys"]


UNLISTED = (
    "TestService/WatchTest",
    "TestService/UploadArchive",
    "QueueService/WatchQueue",
    "TestService/getTest",
    "Health/Check",
    "TestService/__class__",
)


async def test_a_method_that_is_not_on_the_list_is_not_there(alice: Browser) -> None:
    for method in UNLISTED:
        response = await alice.ask(method)
        assert (response.status_code, response.json()["reason"]) == (404, "NO_SUCH_METHOD"), method


UNREADABLE = {
    "cut": b"{",
    "a list": b"[]",
    "text": b'"text"',
    "no UTF-8": b"\xff\xfe",
    "wrong type": b'{"testId": 5}',
    "unknown field": b'{"noSuchField": 1}',
    "deep": b'{"filter":' * 5000 + b"{}" + b"}" * 5000,
    "very deep": b"[" * 200_000,
}


async def test_a_request_that_cannot_be_read_is_told_apart(alice: Browser) -> None:
    for name, body in UNREADABLE.items():
        response = await alice.post("/api/TestService/GetTest", content=body)
        assert (response.status_code, response.json()["code"]) == (400, "INVALID_ARGUMENT"), name


async def test_what_utf8_cannot_say_is_told_as_it_came(alice: Browser) -> None:
    response = await alice.post("/api/TestService/ArchiveTests", content=rb'{"olderThan": "\ud800"}')
    assert (response.status_code, response.json()["reason"]) == (400, "UNREADABLE_REQUEST")
    assert "\ud800" in response.json()["message"]


async def test_a_fault_of_the_console_is_told_in_the_same_form_and_the_connection_goes_on(front: Console) -> None:
    browser = await front.browser()
    no_time = Seal([SECRET], "session").close({"user": "alice", "bearer": "x", "until": "no time"})
    for _ in range(2):
        response = await browser.ask("AccountService/GetAccount", headers={"cookie": f"{COOKIE}={no_time}"})
        assert (response.status_code, response.json()["reason"]) == (500, "INTERNAL")
        assert "connection" not in response.headers


async def test_a_browser_that_goes_before_its_body_has_come_is_no_fault(front: Console) -> None:
    def counted(status: str) -> float:
        return REGISTRY.get_sample_value("assay_console_requests_total", {"route": "/session", "status": status}) or 0

    gone, faults = counted("499"), counted("500")
    head = f"POST /session HTTP/1.1\r\nHost: {front.url[7:]}\r\nx-assay-console: 1\r\ncontent-length: 100\r\n\r\n"
    _, writer = await asyncio.open_connection(*front.url[7:].split(":"))
    writer.write(head.encode() + b"{")
    await writer.drain()
    writer.close()
    await until(lambda: counted("499") == gone + 1)
    assert counted("500") == faults


async def test_a_body_that_is_too_large_is_refused_while_it_comes(stage: Stage, front: Console) -> None:
    async with console(stage.address, console_max_body_bytes=64 * 1024) as small:
        browser = await signed_in(stage, small, "alice")

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b" " * 1024

        said = await browser.post("/api/TestService/GetTest", content=b" " * 100_000)
        counted = await browser.post("/api/TestService/GetTest", content=pieces())
    assert [(one.status_code, one.json()["reason"]) for one in (said, counted)] == [(413, "TOO_LARGE")] * 2


async def test_a_large_answer_comes_whole(stage: Stage, alice: Browser) -> None:
    code = CODE + "#" + "x" * 200_000
    test_id = (await alice.call("TestService/SubmitTest", {"spec": {"agentCode": code}}))["test"]["id"]
    assert (await alice.call("TestService/GetTest", {"testId": test_id}))["test"]["spec"]["agentCode"] == code


async def test_tabs_that_follow_much_keep_no_call_waiting(nats_url: str, mongo_url: str, mongo_database: str) -> None:
    async with (
        staged(nats_url, mongo_url, mongo_database, gateway_max_streams=2) as stage,
        console(stage.address) as front,
        AsyncExitStack() as tabs,
    ):
        browser = await signed_in(stage, front, "alice")
        test_id = (await browser.call("TestService/SubmitTest", {"spec": {"agentCode": CODE}}))["test"]["id"]
        feeds = [{"id": f"t{number}", "kind": "test", "testId": test_id} for number in range(8)]
        for _ in range(6):
            tab = browser.stream("GET", "/events", params={"feeds": json.dumps(feeds)})
            pieces = (await tabs.enter_async_context(tab)).aiter_text()
            await until(partial(_has_current, pieces))
        assert (await browser.ask("TestService/GetTest", {"testId": test_id})).status_code == 200
        assert (await browser.get(f"/logs/{test_id}.txt")).status_code == 200


async def _has_current(pieces: AsyncIterator[str]) -> bool:
    return "WATCH_EVENT_CURRENT" in await anext(pieces)


# -- who may ask


FOREIGN: dict[str, dict[str, str]] = {
    "without the header": {"x-assay-console": ""},
    "from another site": {"sec-fetch-site": "cross-site"},
    "from another port of this machine": {"sec-fetch-site": "same-site"},
    "with another origin": {"origin": "https://evil.example"},
    "with another port as its origin": {"origin": "http://127.0.0.1:1"},
    "from a page without an origin": {"origin": "null"},
}


async def test_a_change_that_a_foreign_page_asks_for_is_refused(alice: Browser) -> None:
    for name, headers in FOREIGN.items():
        response = await alice.ask("TestService/SubmitTest", {"spec": {"agentCode": CODE}}, headers=headers)
        assert (response.status_code, response.json()["code"]) == (403, "PERMISSION_DENIED"), name
        for method, path in (("DELETE", "/session"), ("POST", "/session"), ("POST", "/uploads")):
            assert (await alice.request(method, path, headers=headers)).status_code == 403, name
    assert await alice.call("TestService/ListTests") == {}


async def test_a_foreign_page_reads_nothing_and_may_link_to_the_page(alice: Browser) -> None:
    for site in ("cross-site", "same-site"):
        for path in ("/session", "/logs/tst_1.txt", "/files/t/output/a", "/export/tests.csv", "/signin/code?code=x"):
            assert (await alice.get(path, headers={"sec-fetch-site": site})).status_code == 403, path
        assert (await alice.get("/tests/tst_1", headers={"sec-fetch-site": site})).status_code == 200


async def test_the_page_itself_may(alice: Browser, front: Console) -> None:
    headers = {"origin": front.url, "sec-fetch-site": "same-origin"}
    assert (await alice.ask("TestService/ListTests", headers=headers)).status_code == 200


async def test_a_name_that_is_not_the_consoles_is_refused(alice: Browser) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example:80", "", "127.0.0.1@evil.example", "a:b:c", "localhost/x"):
        for path in ("/", "/session", "/assets/main-1.js"):
            response = await alice.get(path, headers={"host": host})
            assert (response.status_code, response.json()["reason"]) == (421, "WRONG_HOST"), (host, path)


async def test_names_of_the_settings_are_the_consoles(stage: Stage) -> None:
    named = {"console_url": "https://Assay.example.com", "console_hosts": "one.internal, two.internal"}
    async with console(stage.address, **named) as front:
        browser = await front.browser()
        for host in ("assay.example.com", "ONE.internal:8443", "two.internal", "localhost:1"):
            assert (await browser.get("/session", headers={"host": host})).status_code == 401
        key = (await stage.client("alice")).key
        behind_a_proxy = {"host": "two.internal", "origin": "https://Assay.example.com"}
        response = await browser.post("/session", json={"key": key}, headers=behind_a_proxy)
    assert response.status_code == 200
    assert "Secure" in response.headers["set-cookie"]


# -- a gateway that is away


async def test_a_gateway_that_is_away_is_told_at_once_and_found_again(
    nats_url: str, mongo_url: str, mongo_database: str
) -> None:
    port = free_port()

    @asynccontextmanager
    async def gateway() -> AsyncIterator[Stage]:
        async with staged(nats_url, mongo_url, mongo_database, gateway_port=port) as stage:
            yield stage

    async with console(f"127.0.0.1:{port}") as front:
        async with gateway() as stage:
            browser = await signed_in(stage, front, "alice")
        away = await browser.ask("TestService/ListTests")
        assert (away.status_code, away.json()["code"]) == (503, "UNAVAILABLE")
        assert "gateway" in away.json()["message"]
        assert away.elapsed.total_seconds() < 10
        asked = await browser.get("/session")
        assert (asked.status_code, asked.headers.get("set-cookie")) == (503, None)

        async with gateway():

            async def back() -> bool:
                return (await browser.ask("TestService/ListTests")).status_code == 200

            await until(back)


# -- the page


async def test_each_index_has_a_nonce_of_its_own(front: Console) -> None:
    browser = await front.browser()
    nonces = set[str]()
    for path in ("/", "/tests", "/tests/tst_1/log", "/index.html", "/%2e%2e/%2e%2e/etc/passwd", "/.built-from"):
        response = await browser.get(path)
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/html")
        policy = response.headers["content-security-policy"]
        nonce = policy.split("script-src 'self' 'nonce-", 1)[1].split("'", 1)[0]
        assert f"style-src 'self' 'nonce-{nonce}'" in policy
        assert response.text.count(f'nonce="{nonce}"') == 2
        assert "unsafe" not in policy
        assert response.headers["cache-control"] == "no-store"
        nonces.add(nonce)
    assert len(nonces) == 6


async def test_what_is_data_is_never_answered_with_the_page(front: Console) -> None:
    browser = await front.browser()
    for path in ("/api/TestService/GetTest", "/export/other.csv", "/packages/pkg_1", "/files/tst_1", "/uploads"):
        response = await browser.get(path)
        assert response.status_code in {401, 404, 405}, path
        assert response.headers["content-type"] == "application/json", path


async def test_files_of_the_page_are_kept_by_browsers(front: Console) -> None:
    browser = await front.browser()
    script = await browser.get("/assets/main-1.js")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert script.headers["content-encoding"] == "gzip"
    assert script.headers["content-type"].startswith(("text/javascript", "application/javascript"))
    plain = await browser.get("/assets/main-1.js", headers={"accept-encoding": "identity"})
    assert (plain.text, "content-encoding" in plain.headers) == (script.text, False)
    assert (await browser.get("/favicon.svg")).headers["content-type"] == "image/svg+xml"
    gone = await browser.get("/assets/main-0.js")
    assert (gone.status_code, gone.json()["code"]) == (404, "NOT_FOUND")


async def test_a_page_that_was_built_anew_is_served(front: Console, tmp_path: Path) -> None:
    browser = await front.browser()
    await browser.get("/")
    (tmp_path / "dist" / "assets" / "main-2.js").write_text("2")
    (tmp_path / "dist" / "index.html").write_text("new")
    assert (await browser.get("/")).text == "new"
    assert (await browser.get("/assets/main-2.js")).text == "2"


async def test_a_page_that_is_not_built_says_so(stage: Stage, tmp_path: Path) -> None:
    async with console(stage.address, console_page=tmp_path / "none") as front:
        response = await (await front.browser()).get("/")
    assert response.status_code == 503
    assert "make setup" in response.text


async def test_other_verbs_are_refused_in_the_same_form(alice: Browser) -> None:
    response = await alice.put("/api/TestService/GetTest", content=b"{}")
    assert (response.status_code, set(response.json())) == (
        405,
        {"code", "message", "reason", "violations", "retryAfterMs"},
    )


async def test_a_port_that_is_taken_is_told(front: Console, stage: Stage) -> None:
    with pytest.raises(Unavailable, match="cannot listen"):
        async with console(stage.address, console_port=int(front.url.rsplit(":", 1)[1])):
            pass


def test_settings_that_do_not_fit_together_are_refused() -> None:
    wrong: list[dict[str, Any]] = [
        {"console_secrets": "short"},
        {"console_url": "assay.example.com"},
        {"console_url": "https://assay.example.com/path"},
        {"console_url": "https://assay.example.com:port"},
        {"console_oidc_issuer": "https://login.example.com", "console_url": "https://a.example.com"},
        {"console_oidc_issuer": "https://login.example.com", "console_oidc_client_id": "c"},
        {
            "console_oidc_issuer": "http://login.example.com",
            "console_oidc_client_id": "c",
            "console_url": "https://a.example.com",
        },
        {"console_gateway_cert_file": "cert.pem"},
    ]
    for values in wrong:
        with pytest.raises(BadEnvironment, match="ASSAY_CONSOLE"):
            ConsoleSettings(**values)
    assert "a.b" in ConsoleSettings(console_hosts="A.b").hosts
