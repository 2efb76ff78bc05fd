"""Files between a browser and a real gateway: uploads that it judges, downloads, logs, packages and exports."""

import asyncio
import csv
import hashlib
import io
import json
import zipfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import httpx2
import pytest
import pytest_asyncio

from assay.v1 import account_service_pb2
from assay.v1 import package_service_pb2 as pb
from services.console.files import uploads
from services.console.files.attachment import disposition
from services.console.files.export import plain
from services.console.signin.session import COOKIE
from shared.store.keys import ApiKeys
from tests.support.archive_bytes import renamed, with_mode, zipped
from tests.support.console import Browser, Console, console
from tests.support.gateway import CODE, Client, Stage, line, lines, now, staged
from tests.support.packaging import fetched, generate, get, shop
from tests.support.servers import RunningServer
from tests.support.until import until


@pytest_asyncio.fixture
async def client(stage: Stage) -> Client:
    return await stage.client("alice")


@pytest_asyncio.fixture
async def alice(front: Console, client: Client) -> Browser:
    return await front.signed_in(client.key)


@pytest_asyncio.fixture
async def bob(front: Console, stage: Stage) -> Browser:
    return await front.signed_in((await stage.client("bob")).key)


async def upload(browser: Browser, *files: tuple[str, bytes], to: str = "/uploads") -> httpx2.Response:
    """As a form sends them, names as they are."""
    boundary = "----boundary"
    parts = b"".join(
        b'--%s\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n%s\r\n'
        % (boundary.encode(), name.encode(errors="surrogateescape"), content)
        for name, content in files
    )
    body = parts + f"--{boundary}--\r\n".encode()
    return await browser.post(to, content=body, headers={"content-type": f"multipart/form-data; boundary={boundary}"})


# -- uploads


async def test_several_files_are_one_project_that_runs(alice: Browser, stage: Stage) -> None:
    binary = bytes(range(256)) * 4000  # a megabyte of no text
    files = (("main.py", CODE.encode()), ("data/räume.txt", "ü".encode()), ("data/model.bin", binary))
    response = await upload(alice, *files)
    assert response.status_code == 200, response.text
    told = response.json()
    assert {one["path"]: one["sha256"] for one in told["files"]} == {
        name: hashlib.sha256(content).hexdigest() for name, content in files
    }
    spec = {"project": {"digest": told["digest"]}, "agentPath": "main.py", "query": "q"}
    test_id = (await alice.call("TestService/SubmitTest", {"spec": spec}))["test"]["id"]
    for name, content in files:
        got = await alice.get(f"/files/{test_id}/project/{name}")
        assert (got.status_code, got.content, got.headers["content-length"]) == (200, content, str(len(content)))
    assert (await upload(alice, *files)).json()["digest"] == told["digest"]


async def test_a_zip_goes_through_as_it_is(alice: Browser) -> None:
    archive = zipped({"a/main.py": CODE, "run.sh": "#!/bin/sh\n"}, runs=("run.sh",))
    told = (await upload(alice, ("project.ZIP", archive))).json()
    assert {one["path"]: one.get("executable", False) for one in told["files"]} == {"a/main.py": False, "run.sh": True}
    beside = (await upload(alice, ("project.zip", archive), ("b.txt", b"b"))).json()
    assert {one["path"] for one in beside["files"]} == {"project.zip", "b.txt"}
    kept = (await upload(alice, ("inputs.zip", archive), to="/uploads?unpack=false")).json()
    assert [one["sha256"] for one in kept["files"]] == [hashlib.sha256(archive).hexdigest()]


HOSTILE = {
    "above the folder": ["../evil.py"],
    "from the root": ["/etc/passwd"],
    "in the middle": ["a/../../b"],
    "with a backslash": ["a\\\\..\\\\b"],
    "a drive": ["C:/windows"],
    "a control character": ["a\x01b"],
    "a NUL": ["a\0b.py"],
    "10,000 characters": ["x" * 10_000],
    "10,000 characters in folders": ["x/" * 5_000],
    "a name of 300 bytes": ["ü" * 150],
    "a dot": ["."],
    "a right-to-left override": ["evil\u202eyp.txt"],
    "a zero-width space": ["ma\u200bin.txt"],
    "a device of Windows": ["CON"],
    "a device of Windows with an ending": ["sub/nul.txt"],
    "the same name twice": ["a.py", "a.py"],
    "names that differ by case": ["Data.csv", "data.csv"],
    "folders that differ by case": ["Lib/a.txt", "lib/b.txt"],
    "names that differ by composition": ["\u00e9.txt", "e\u0301.txt"],
    "a file that is a folder, too": ["a", "a/b"],
    "half of a surrogate pair": ["\udc80.py"],
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_a_name_that_no_project_may_have_is_refused_with_words(alice: Browser, what: str) -> None:
    response = await upload(alice, *((name, b"x") for name in HOSTILE[what]), ("main.py", b"y"))
    assert (response.status_code, response.json()["code"]) == (400, "INVALID_ARGUMENT"), response.text
    told = response.json()["violations"] or [{"description": response.json()["message"]}]
    for one in told:
        assert one["description"].isprintable(), told  # nothing of the name turns or hides what is said of it
        assert len(one["description"]) < 500, told


async def test_names_of_all_scripts_and_signs_are_kept(alice: Browser) -> None:
    names = [
        "main.py",
        "\U0001f40d.txt",
        "data/\u4f60\u597d.csv",
        "\u0645\u0631\u062d\u0628\u0627.txt",
        "a b (1)&'.txt",
        "console.txt",
    ]
    response = await upload(alice, *((name, CODE.encode()) for name in names))
    assert response.status_code == 200, response.text
    assert {one["path"] for one in response.json()["files"]} == set(names)


async def test_a_key_that_is_revoked_while_an_upload_comes_is_refused_and_the_session_ends(
    alice: Browser, client: Client, stage: Stage
) -> None:
    boundary, revoked = "b", asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="main.py"\r\n\r\n' + CODE.encode()
        await ApiKeys(stage.others.database).revoke_all(client.user, now())
        revoked.set()
        await until(refused, timeout=15)  # the gateway remembers a key for a moment
        yield b"\r\n--b--\r\n"

    async def refused() -> bool:
        try:
            await client.call("GetAccount", account_service_pb2.GetAccountRequest())
        except grpc.aio.AioRpcError as error:
            return error.code() is grpc.StatusCode.UNAUTHENTICATED
        return False

    response = await alice.post(
        "/uploads", content=body(), headers={"content-type": f"multipart/form-data; boundary={boundary}"}
    )
    assert revoked.is_set()
    assert (response.status_code, response.json()["reason"]) == (401, "API_KEY_INVALID")
    assert COOKIE not in alice.cookies
    assert (await alice.get("/session")).status_code == 401


async def test_hostile_archives_are_refused(alice: Browser) -> None:
    plain_zip = zipped({"aaaa": "x"})
    for archive in (b"no zip", b"", with_mode("link", 0o120777), renamed(plain_zip, b"aaaa", b"../a")):
        response = await upload(alice, ("a.zip", archive))
        assert (response.status_code, response.json()["code"]) == (400, "INVALID_ARGUMENT"), archive[:20]


async def test_what_is_no_upload_is_told(alice: Browser) -> None:
    twice = await upload(alice, ("a.py", b"1"), ("a.py", b"2"))
    assert (twice.status_code, twice.json()["violations"][0]["field"]) == (400, "file[1]")
    nameless = await upload(alice, ("", b"1"), ("", b"2"))
    nothing = await upload(alice)
    form = "multipart/form-data; boundary=x"
    for kind, body in (
        (form, b"no form"),
        (form, b"--x"),
        ("multipart/form-data", b""),
        ("text/plain", b"a"),
        ("", b""),
    ):
        response = await alice.post("/uploads", content=body, headers={"content-type": kind})
        assert (response.status_code, response.json()["code"]) == (400, "INVALID_ARGUMENT"), (kind, body)
    fields = await alice.post(
        "/uploads",
        content=b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\na\r\n--x--\r\n',
        headers={"content-type": form},
    )
    assert {nameless.status_code, nothing.status_code, fields.status_code} == {400}


async def test_more_than_may_be_sent_is_refused_while_it_comes(stage: Stage, client: Client) -> None:
    async with console(stage.address, console_max_upload_bytes=100_000) as front:
        browser = await front.signed_in(client.key)
        response = await upload(browser, ("a.bin", b"x" * 200_000))
    assert (response.status_code, response.json()["reason"]) == (413, "TOO_LARGE")


async def test_only_so_many_uploads_of_one_user_are_taken_at_once(
    stage: Stage, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST_OF_USER", 1)
    async with console(stage.address) as front:
        browser = await front.signed_in(client.key)
        answers = await asyncio.gather(*(upload(browser, ("main.py", CODE.encode())) for _ in range(4)))
        refused = [one.json() for one in answers if one.status_code == 429]
        assert any(one.status_code == 200 for one in answers)
        assert refused
        assert {(one["reason"], one["retryAfterMs"]) for one in refused} == {("TOO_MANY_UPLOADS", 1000)}
        assert (await upload(browser, ("main.py", CODE.encode()))).status_code == 200


async def test_an_upload_that_stands_still_is_given_up(alice: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "COMES_S", 0.2)
    cookies = "; ".join(f"{name}={value}" for name, value in alice.cookies.items())
    reader, writer = await asyncio.open_connection(alice.base_url.host, alice.base_url.port)
    head = (
        f"POST /uploads HTTP/1.1\r\nhost: {alice.base_url.netloc.decode()}\r\ncookie: {cookies}\r\n"
        "x-assay-console: 1\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: 1000\r\n\r\n--b\r\n"
    )
    writer.write(head.encode())
    assert b" 408 " in await reader.readline()
    writer.close()


async def test_more_than_a_project_may_have_is_the_gateways_word(alice: Browser) -> None:
    response = await upload(alice, ("main.py", CODE.encode()), ("big.bin", b"\0" * (20 << 20)))
    assert response.status_code in {400, 429}
    assert "too much" in response.json()["message"]


# -- downloads


async def test_a_file_is_saved_and_never_shown(alice: Browser) -> None:
    page = b"<script>alert(document.cookie)</script>"
    told = (await upload(alice, ("main.py", CODE.encode()), ("x/page.html", page))).json()
    spec = {"project": {"digest": told["digest"]}, "agentPath": "main.py", "query": "q"}
    test_id = (await alice.call("TestService/SubmitTest", {"spec": spec}))["test"]["id"]
    got = await alice.get(f"/files/{test_id}/project/x/page.html")
    assert got.content == page
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-disposition"].startswith('attachment; filename="page.html"')
    assert got.headers["content-security-policy"].startswith("default-src 'none'")


async def test_a_file_that_is_not_there_or_not_yours_is_not_found(alice: Browser, bob: Browser, front: Console) -> None:
    told = (await upload(alice, ("main.py", CODE.encode()))).json()
    spec = {"project": {"digest": told["digest"]}, "agentPath": "main.py", "query": "q"}
    test_id = (await alice.call("TestService/SubmitTest", {"spec": spec}))["test"]["id"]
    assert (await alice.get(f"/files/{test_id}/project/main.py")).status_code == 200
    for path in ("project/no.py", "output/main.py", "secret/main.py", "project/..%2f..%2fetc/passwd", "project/%00"):
        response = await alice.get(f"/files/{test_id}/{path}")
        assert response.status_code in {400, 404}, path
    assert (await bob.get(f"/files/{test_id}/project/main.py")).status_code == 404
    assert (await bob.get(f"/logs/{test_id}.txt")).status_code == 404
    stranger = await front.browser()
    for path in (f"/files/{test_id}/project/main.py", f"/logs/{test_id}.txt", "/packages/p.zip", "/export/tests.csv"):
        assert (await stranger.get(path)).status_code == 401, path


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a/b/report.csv", "report.csv"),
        ('a"b\r\nSet-Cookie: x=y', "a_bSet-Cookie_ x=y"),
        ("..", "file"),
        ("dir/", "file"),
        ("bäume.txt", "b_ume.txt"),
        ("a\\..\\b.exe", "b.exe"),
        ("\u202etxt.exe", "txt.exe"),
        ("", "file"),
    ],
)
def test_no_name_breaks_out_of_the_header(name: str, shown: str) -> None:
    header = disposition(name)
    assert header.startswith(f'attachment; filename="{shown}"; filename*=')
    assert header.isprintable()
    assert header.isascii()
    assert header.count('"') == 2


# -- logs


async def test_a_log_is_saved_as_it_was_written(alice: Browser, client: Client, stage: Stage) -> None:
    test = await client.submit()
    await stage.others.started(test.id)
    for first in range(1, 2501, 250):
        await stage.others.stored(test.id, lines(first, first + 249))
    long_line = [
        line(2501, "a" * 10),
        line(2502, "b" * 10).model_copy(update={"cont": True}),
        line(2503, "<b>\x1b[31mü"),
    ]
    await stage.others.stored(test.id, long_line)
    got = await alice.get(f"/logs/{test.id}.txt", params={"colors": "true"})
    assert got.headers["content-type"] == "text/plain; charset=utf-8"
    assert f'filename="{test.id}.txt"' in got.headers["content-disposition"]
    whole = [f"line {number}" for number in range(1, 2501)] + ["a" * 10 + "b" * 10, "<b>\x1b[31mü"]
    assert got.text == "\n".join(whole) + "\n"
    rows = [json.loads(one) for one in (await alice.get(f"/logs/{test.id}.jsonl")).text.splitlines()]
    assert [one["seq"] for one in rows] == list(range(1, 2504))
    assert rows[2501]["continued"]
    assert set(rows[0]) == {"seq", "time", "stream", "level", "text"}
    assert datetime.fromisoformat(rows[0]["time"]).tzinfo


async def test_a_log_is_saved_without_the_colours_that_only_a_terminal_shows(
    alice: Browser, client: Client, stage: Stage
) -> None:
    test = await client.submit()
    await stage.others.started(test.id)
    written = [
        line(1, "\x1b[31mred\x1b[0m"),
        line(2, "cut off \x1b[3"),
        line(3, "2mgreen\x1b[0m, then a link \x1b]8;;http://x").model_copy(update={"cont": True}),
        line(4, "/y\x07here\x1b]8;;\x07").model_copy(update={"cont": True}),
        line(5, "ends with \x1b["),
        line(6, "1m is text on a line of its own"),
    ]
    await stage.others.stored(test.id, written)
    got = await alice.get(f"/logs/{test.id}.txt")
    assert got.text.splitlines() == [
        "red",
        "cut off green, then a link here",
        "ends with ",
        "1m is text on a line of its own",
    ]
    rows = (await alice.get(f"/logs/{test.id}.jsonl")).text.splitlines()
    assert json.loads(rows[0])["text"] == "\x1b[31mred\x1b[0m"
    assert (await alice.get(f"/logs/{test.id}.txt", params={"colors": "some"})).status_code == 400


async def test_a_log_without_lines_is_an_empty_file(alice: Browser, client: Client) -> None:
    test = await client.submit()
    got = await alice.get(f"/logs/{test.id}.txt")
    assert (got.status_code, got.content) == (200, b"")


async def test_what_a_filter_leaves_of_a_log_is_saved(alice: Browser, client: Client, stage: Stage) -> None:
    test = await client.submit()
    await stage.others.started(test.id)
    written = [
        line(1, "quiet", level="debug"),
        line(2, "bad", level="error", stream="stderr"),
        line(3, "worse", level="critical"),
    ]
    await stage.others.stored(test.id, written)

    async def left(**query: Any) -> list[str]:
        return (await alice.get(f"/logs/{test.id}.txt", params=query)).text.split()

    assert await left(minLevel="LOG_LEVEL_ERROR") == await left(minLevel="error") == ["bad", "worse"]
    assert await left(streams="stderr") == await left(streams=["LOG_STREAM_STDERR"]) == ["bad"]
    assert await left(streams="stderr,stdout", minLevel="critical") == ["worse"]
    assert await left(text="WORSE") == ["worse"]
    assert await left(text="WORSE", matchCase="true") == []
    for query in ({"minLevel": "loud"}, {"streams": "x"}, {"text": "x" * 300}, {"matchCase": "perhaps"}):
        response = await alice.get(f"/logs/{test.id}.txt", params=query)
        assert (response.status_code, response.json()["code"]) == (400, "INVALID_ARGUMENT"), query
    assert (await alice.get(f"/logs/{test.id}.exe")).status_code == 404


async def test_a_log_that_breaks_off_does_not_look_whole(nats_url: str, mongo_url: str, mongo_database: str) -> None:
    gateway = AsyncExitStack()
    async with gateway:
        stage = await gateway.enter_async_context(staged(nats_url, mongo_url, mongo_database, gateway_drain_s=0.1))
        async with console(stage.address) as front:
            browser, own = await front.browser(), await stage.client("alice")
            await browser.sign_in(own.key)
            test = await own.submit()
            await stage.others.started(test.id)
            for first in range(1, 40_001, 1_000):
                await stage.others.stored(test.id, lines(first, first + 999, "x" * 1_000))
            async with browser.stream("GET", f"/logs/{test.id}.txt") as saved:
                pieces = saved.aiter_bytes()
                assert (await anext(pieces)).startswith(b"x")
                await gateway.aclose()
                with pytest.raises(httpx2.RemoteProtocolError):
                    async for _ in pieces:
                        pass


# -- packages


async def test_a_package_comes_through_the_console_and_is_counted_once(
    nats_url: str, mongo_url: str, mongo_database: str, emulator: RunningServer
) -> None:
    async with shop(nats_url, mongo_url, mongo_database, emulator) as market, console(market.stage.address) as front:
        owner = await market.stage.client("alice")
        browser, stranger = await front.browser(), await front.browser()
        await browser.sign_in(owner.key)
        await stranger.sign_in((await market.stage.client("bob")).key)
        test_id = await market.completed(owner)
        unmade = (await generate(owner, test_id, wait_s=0)).package.id
        early = await browser.get(f"/packages/{unmade}.zip")
        assert (early.status_code, early.json()["code"]) == (400, "FAILED_PRECONDITION")
        async with market.packager():
            answer = await generate(owner, test_id)
        got = await browser.get(f"/packages/{answer.package.id}.zip")
        assert (got.status_code, got.headers["content-type"]) == (200, "application/zip")
        assert got.content == await fetched(answer.link.url)
        assert zipfile.ZipFile(io.BytesIO(got.content)).testzip() is None

        async def counted() -> int:
            found = await get(owner, answer.package.id)
            return int(found.package.download_count)

        await until(counted)
        assert await counted() == 1
        assert (await stranger.get(f"/packages/{answer.package.id}.zip")).status_code == 404

        key = (await market.keys())[0]
        market.aws.s3.put_object(Bucket=market.objects.bucket, Key=key, Body=b"another")
        with pytest.raises(httpx2.RemoteProtocolError):  # it breaks off, so that no browser takes it for the package
            await browser.get(f"/packages/{answer.package.id}.zip")
        market.aws.s3.delete_object(Bucket=market.objects.bucket, Key=key)
        gone = await browser.get(f"/packages/{answer.package.id}.zip")
        assert (gone.status_code, gone.json()["code"]) == (503, "UNAVAILABLE")
        assert await counted() == 1
        refreshed = await owner.call("RefreshDownloadUrl", pb.RefreshDownloadUrlRequest(package_id=answer.package.id))
        assert refreshed.link.url not in gone.text


# -- exports


async def test_the_tests_of_a_filter_are_saved_whole(
    alice: Browser, client: Client, bob: Browser, stage: Stage
) -> None:
    names = ["=HYPERLINK(1)", 'plain, with "quotes"; and lines', "bäume"]
    for number in range(230):
        await client.submit(
            name=names[number % 3], agent_id="counter" if number % 2 else "other", labels={"n": str(number)}
        )
    query = {"filter": json.dumps({"agentId": "counter"}), "order": "TEST_ORDER_OLDEST"}
    got = await alice.get("/export/tests.csv", params=query)
    assert got.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="tests.csv"' in got.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(got.content.decode("utf-8-sig"))))
    assert [json.loads(row["labels"])["n"] for row in rows] == [str(number) for number in range(1, 230, 2)]
    assert {row["name"] for row in rows} == {f"'{names[0]}", names[1], names[2]}
    assert {(row["state"], row["user_id"], row["run_s"]) for row in rows} == {("SUBMITTED", "alice", "")}
    assert datetime.fromisoformat(rows[0]["submitted"]) > datetime.now(UTC) - timedelta(minutes=5)
    whole = (await alice.get("/export/tests.json")).json()
    assert len({test["id"] for test in whole}) == 230
    assert (await bob.get("/export/tests.json")).json() == []
    assert (await bob.get("/export/tests.csv")).text.count("\n") == 1
    for path, query in (
        ("csv", {"filter": "{"}),
        ("json", {"order": "NEWEST"}),
        ("csv", {"filter": '{"agent":1}'}),
        ("json", {"filter": '{"text":"' + "x" * 300 + '"}'}),
    ):
        response = await alice.get(f"/export/tests.{path}", params=query)
        assert (response.status_code, response.json()["code"]) == (400, "INVALID_ARGUMENT"), query
    assert (await alice.get("/export/tests.xls")).status_code == 404


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_words_of_an_agent_are_a_formula(text: str) -> None:
    assert plain(text) == f"'{text}"
    assert (plain("a=1"), plain(-1.5), plain(None)) == ("a=1", "-1.5", "")
