"""The event stream of a tab, through a console and a gateway: nothing twice, nothing missing, whoever goes."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest_asyncio
from prometheus_client import REGISTRY

from services.console.events.messages import PIECE_LINES
from shared.store.keys import ApiKeys
from tests.support.console import Browser, Console, built_page, console
from tests.support.gateway import Client, Stage, line, lines, now, staged
from tests.support.servers import free_port
from tests.support.tabs import query, tab
from tests.support.until import until


@pytest_asyncio.fixture
async def browser(front: Console, alice: Client) -> Browser:
    return await front.signed_in(alice.key)


async def running_test(stage: Stage, client: Client) -> str:
    test = await client.submit()
    await stage.others.started(test.id)
    return test.id


def log(test_id: str, name: str = "l", **more: Any) -> dict[str, Any]:
    return {"id": name, "kind": "log", "testId": test_id, **more}


def figure(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"assay_console_{name}", labels) or 0.0


# -- what comes


async def test_a_tab_follows_a_test_its_output_and_the_queue_over_one_response(
    stage: Stage, alice: Client, browser: Browser
) -> None:
    test_id = await running_test(stage, alice)
    feeds = ({"id": "t", "kind": "test", "testId": test_id}, log(test_id), {"id": "q", "kind": "queue"})
    async with tab(browser, *feeds) as seen:
        hello = await seen.next()
        assert hello is not None
        assert (hello.feed, hello.kind) == ("", "hello")
        assert hello.data["serverTime"].endswith("Z")
        assert seen.response.headers["content-type"].startswith("text/event-stream")
        assert "no-store" in seen.response.headers["cache-control"]
        await seen.to(lambda _: bool(seen.of("t", "test") and seen.of("q", "queue")))
        assert seen.of("t", "test")[0].data["test"]["state"] == "TEST_STATE_RUNNING"
        assert seen.of("q", "queue")[0].data["status"]["time"]
        await until(lambda: stage.listening(test_id))
        await stage.others.says(test_id, "half a li", after=0)
        await seen.to(lambda event: event.feed == "l" and bool(event.data.get("partialLines")))
        await stage.others.wrote(test_id, lines(1, 3))
        await seen.to_seq(3)
        assert seen.of("l", "log")[-1].data["lines"][0]["text"] == "line 1"
        await stage.others.completed(test_id)
        await stage.others.ended_output(test_id, 3)
        await seen.to(lambda _: bool(seen.of("t", "end") and seen.of("l", "end")))
    assert seen.of("t", "test")[-1].data["test"]["state"] == "TEST_STATE_COMPLETED"
    assert seen.of("l", "log")[-1].data["complete"]["complete"] is True
    assert seen.seqs() == [1, 2, 3]


async def test_a_feed_of_another_users_test_is_in_error_and_the_others_go_on(
    stage: Stage, alice: Client, browser: Browser
) -> None:
    foreign = await running_test(stage, await stage.client("bob"))
    own = await running_test(stage, alice)
    async with tab(browser, log(foreign, "f"), log(own)) as seen:
        error = await seen.to(lambda event: event.kind == "error")
        assert (error.feed, error.retry, error.data["code"]) == ("f", False, "NOT_FOUND")
        await stage.others.wrote(own, lines(1, 2))
        await seen.to_seq(2)
    assert len(seen.of("f", "error")) == 1


async def test_only_lines_that_are_asked_for_come_and_the_stream_goes_on_after_them(
    stage: Stage, alice: Client, browser: Browser
) -> None:
    test_id = await running_test(stage, alice)
    written = [line(seq, level="error" if seq % 3 == 0 else "info") for seq in range(1, 13)]
    await stage.others.wrote(test_id, written[:7])
    feed = log(test_id, minLevel="LOG_LEVEL_ERROR")
    async with tab(browser, feed) as first:
        await first.to_seq(6)
    await stage.others.wrote(test_id, written[7:])
    async with tab(browser, feed, last=first.last_id) as second:
        await second.to_seq(12)
    assert first.seqs() + second.seqs() == [3, 6, 9, 12]


async def test_tests_that_change_are_told_and_whoever_comes_back_reads_the_list_again(
    stage: Stage, alice: Client, browser: Browser
) -> None:
    feed = {"id": "c", "kind": "tests", "filter": {"own": True}}
    async with tab(browser, feed) as seen:
        first = await seen.to(lambda event: event.feed == "c")
        assert (first.kind, first.data) == ("tests", {})
        test_id = await running_test(stage, alice)
        await seen.to(
            lambda event: any(
                (test["id"], test["state"]) == (test_id, "TEST_STATE_RUNNING") for test in event.data.get("tests", ())
            )
        )
    async with tab(browser, feed, last=seen.last_id) as resumed:
        again = await resumed.to(lambda event: event.feed == "c")
        assert again.data["more"] is True


# -- resuming


async def test_a_tab_that_comes_back_gets_each_line_once_and_none_is_missing(
    stage: Stage, alice: Client, browser: Browser
) -> None:
    test_id = await running_test(stage, alice)
    await stage.others.wrote(test_id, lines(1, 3 * PIECE_LINES))
    came: list[int] = []
    last = ""
    for stop in (1, PIECE_LINES + 1, 2 * PIECE_LINES):
        async with tab(browser, log(test_id), last=last) as seen:
            await seen.to_seq(stop)
        came += seen.seqs()
        last = seen.last_id
    await stage.others.wrote(test_id, lines(3 * PIECE_LINES + 1, 3 * PIECE_LINES + 5))
    async with tab(browser, log(test_id), last=last) as seen:
        await seen.to_seq(3 * PIECE_LINES + 5)
    assert came + seen.seqs() == list(range(1, 3 * PIECE_LINES + 6))


async def test_what_the_browser_says_in_the_header_is_newer_than_the_query_it_repeats(
    stage: Stage, alice: Client, browser: Browser
) -> None:
    test_id = await running_test(stage, alice)
    await stage.others.wrote(test_id, lines(1, 4))
    async with tab(browser, log(test_id)) as seen:
        await seen.to_seq(4)
        newer = seen.last_id
    await stage.others.wrote(test_id, lines(5, 6))
    async with tab(browser, log(test_id), last=newer.replace("=4", "=1"), header=newer) as seen:
        await seen.to_seq(6)
    assert seen.seqs() == [5, 6]


# -- whoever goes


async def test_a_gateway_that_is_started_anew_costs_no_line_and_doubles_none(
    nats_url: str, mongo_url: str, mongo_database: str, tmp_path: Path
) -> None:
    port = free_port()
    async with AsyncExitStack() as around, AsyncExitStack() as gateway:
        stage = await gateway.enter_async_context(
            staged(nats_url, mongo_url, mongo_database, gateway_port=port, gateway_drain_s=0.5)
        )
        front = await around.enter_async_context(console(stage.address, console_page=built_page(tmp_path / "dist")))
        alice = await stage.client()
        browser = await front.signed_in(alice.key)
        test_id = await running_test(stage, alice)
        await stage.others.wrote(test_id, lines(1, 3))
        async with tab(browser, log(test_id), {"id": "t", "kind": "test", "testId": test_id}) as seen:
            await seen.to_seq(3)
            await stage.others.stored(test_id, lines(4, 5))
            closing = asyncio.create_task(gateway.aclose())
            error = await seen.to(lambda event: event.kind == "error" and event.feed == "l")
            assert (error.retry, error.data["code"]) == (True, "UNAVAILABLE")
            assert error.data["retryAfterMs"] > 0
            await closing
            async with staged(nats_url, mongo_url, mongo_database, gateway_port=port, gateway_look_s=0.2) as anew:
                await seen.to_seq(5)
                await anew.others.wrote(test_id, lines(6, 7))
                await seen.to_seq(7)
                await anew.others.completed(test_id)
                await anew.others.ended_output(test_id, 7)
                await seen.to(lambda _: bool(seen.of("l", "end") and seen.of("t", "end")))
        assert seen.seqs() == list(range(1, 8))
        assert not any(event.feed == "" for event in seen.events if event.kind == "error")


async def test_a_revoked_key_ends_the_stream_and_says_why(stage: Stage, alice: Client, browser: Browser) -> None:
    test_id = await running_test(stage, alice)
    async with tab(browser, log(test_id), {"id": "q", "kind": "queue"}) as seen:
        await seen.to(lambda event: event.kind == "queue")
        await ApiKeys(stage.others.database).revoke_all(alice.user, now())
        error = await seen.to(lambda event: event.kind == "error")
        assert (error.feed, error.data["code"], error.retry) == ("", "UNAUTHENTICATED", False)
        await seen.to_end()
    assert len(seen.of("", "error")) == 1


async def test_nothing_is_followed_for_a_browser_that_has_gone(stage: Stage, alice: Client, browser: Browser) -> None:
    test_id = await running_test(stage, alice)
    async with tab(browser, log(test_id)) as seen:
        await stage.others.wrote(test_id, lines(1, 1))
        await seen.to_seq(1)
        await until(lambda: stage.listening(test_id) == 1)
        assert (figure("tabs"), figure("feeds", kind="log")) == (1, 1)
    await until(lambda: stage.listening(test_id) == 0, what="the gateway's stream to end")
    await until(lambda: (figure("tabs"), figure("feeds", kind="log")) == (0, 0))


async def test_a_console_that_stops_ends_its_streams_so_that_browsers_go_elsewhere(
    stage: Stage, alice: Client, tmp_path: Path
) -> None:
    test_id = await running_test(stage, alice)
    page = built_page(tmp_path / "dist")
    async with AsyncExitStack() as around:
        other = await around.enter_async_context(console(stage.address, console_page=page))
        stopping = await around.enter_async_context(AsyncExitStack())
        front = await stopping.enter_async_context(console(stage.address, console_page=page, console_drain_s=30))
        # Not one of the console's own, which close before it does.
        first = await around.enter_async_context(
            Browser(base_url=front.url, headers={"x-assay-console": "1"}, trust_env=False, timeout=30)
        )
        await first.sign_in(alice.key)
        async with tab(first, log(test_id)) as seen:
            await stage.others.wrote(test_id, lines(1, 2))
            await seen.to_seq(2)
            closing = asyncio.create_task(stopping.aclose())
            await asyncio.wait_for(seen.to_end(), 10)
        await asyncio.wait_for(closing, 10)
        assert [event.kind for event in seen.events if event.kind == "error"] == []
        second = await other.browser(cookies=first.cookies)
        await stage.others.wrote(test_id, lines(3, 4))
        async with tab(second, log(test_id), last=seen.last_id) as resumed:
            await resumed.to_seq(4)
        assert seen.seqs() + resumed.seqs() == [1, 2, 3, 4]


# -- bounds


async def test_a_tab_that_does_not_read_pauses_its_feeds_and_gets_everything_when_it_does(
    stage: Stage, alice: Client, browser: Browser
) -> None:
    test_id = await running_test(stage, alice)
    text = "x" * 8_000
    count, chunk = 4_000, 400  # 32 MB, many times what sockets hold
    for first in range(1, count, chunk):
        await stage.others.stored(test_id, lines(first, first + chunk - 1, text))
    before = figure("event_bytes_total")

    async def stands_still() -> bool:
        sent = figure("event_bytes_total")
        await asyncio.sleep(0.5)
        return sent > before and figure("event_bytes_total") == sent

    async with tab(browser, log(test_id), {"id": "q", "kind": "queue"}) as seen:
        await seen.next()
        await until(stands_still, timeout=30)
        assert figure("event_bytes_total") - before < count * len(text) / 2
        await seen.to_seq(count)
    assert seen.seqs() == list(range(1, count + 1))


async def test_one_tab_more_than_may_be_open_is_refused_until_one_closes(
    stage: Stage, alice: Client, tmp_path: Path
) -> None:
    async with console(stage.address, console_page=built_page(tmp_path / "dist"), console_max_streams=1) as front:
        browser = await front.signed_in(alice.key)
        queue = {"id": "q", "kind": "queue"}
        async with tab(browser, queue) as seen:
            await seen.next()
            refused = await browser.get("/events", params=query(queue))
            body = refused.json()
            assert (refused.status_code, body["code"], body["reason"]) == (503, "RESOURCE_EXHAUSTED", "TOO_MANY_TABS")
            assert body["retryAfterMs"] > 0
        await until(lambda: figure("tabs") == 0)
        async with tab(browser, queue) as seen:
            await seen.next()


async def test_what_is_asked_for_wrongly_is_refused_before_anything_is_followed(
    front: Console, browser: Browser
) -> None:
    refused = await browser.get("/events", params=query({"id": "l", "kind": "log", "minLevel": "loud", "testId": "t"}))
    assert refused.status_code == 400
    assert [bad["field"] for bad in refused.json()["violations"]] == ["feeds[0].minLevel"]
    refused = await browser.get("/events", params=query({"id": "q", "kind": "queue"}, last="nonsense"))
    assert [bad["field"] for bad in refused.json()["violations"]] == ["lastEventId"]
    stranger = await front.browser()
    refused = await stranger.get("/events", params=query({"id": "q", "kind": "queue"}))
    assert (refused.status_code, refused.json()["code"]) == (401, "UNAUTHENTICATED")
    foreign = await browser.get(
        "/events", params=query({"id": "q", "kind": "queue"}), headers={"sec-fetch-site": "cross-site"}
    )
    assert foreign.status_code == 403
