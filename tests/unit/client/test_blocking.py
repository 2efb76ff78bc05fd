import asyncio
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from typing import TypeVar

import grpc
import pytest

from assay.blocking import Assay
from assay.errors import InvalidRequest, NotFound
from assay.tests import TestState
from assay.v1 import log_pb2, queue_service_pb2, test_service_pb2
from tests.unit.client.conftest import QUICK
from tests.unit.client.fake_server import KEY, FakeServer, Refusal, Story, a_test, line, passed

T = TypeVar("T")


async def in_thread(address: str, body: Callable[[Assay], T]) -> T:
    def call() -> T:
        with Assay(address, KEY, retry=QUICK) as client:
            return body(client)

    return await asyncio.to_thread(call)


async def test_run_gives_the_answer(fake: FakeServer, address: str) -> None:
    states = ("SUBMITTED", "QUEUED", "RUNNING")
    fake.next_story = lambda test_id: Story([*(a_test(test_id, state) for state in states), passed(test_id)])
    test = await in_thread(address, lambda client: client.run("code", "query"))
    assert test.response == {"answer": 42}


async def test_calls_and_pages_are_those_of_the_asyncio_client(fake: FakeServer, address: str) -> None:
    fake.listed = [a_test(f"tst_{number}", "QUEUED") for number in range(5)]
    fake.stories["tst_0"] = Story([fake.listed[0]])

    def body(client: Assay) -> None:
        assert client.get("tst_0").state is TestState.QUEUED
        assert [test.id for test in client.list(page_size=2)] == [f"tst_{number}" for number in range(5)]
        assert len(list(client.list(limit=1, page_size=2))) == 1
        assert client.queue_status().capacity == 10
        assert client.cancel("tst_0").test.id == "tst_0"
        with pytest.raises(NotFound):
            client.get("tst_nobody")

    await in_thread(address, body)


async def test_followed_logs_have_each_line_once_whatever_breaks(fake: FakeServer, address: str) -> None:
    complete = log_pb2.LogsComplete(expected=10, received=10, complete=True)
    fake.stories["tst_a"] = Story([passed("tst_a")], [line(seq) for seq in range(1, 11)], complete)
    fake.log_cuts, fake.repeat = [3, 0, 5], 2

    def body(client: Assay) -> list[int]:
        logs = client.logs("tst_a", follow=True)
        seen = [entry.seq for entry in logs]
        assert logs.complete is not None
        assert logs.complete.complete
        return seen

    assert await in_thread(address, body) == list(range(1, 11))


async def test_logs_are_searched_and_read_by_text_and_range(fake: FakeServer, address: str) -> None:
    fake.stories["tst_a"] = Story([passed("tst_a")], [line(seq) for seq in range(1, 21)], log_pb2.LogsComplete())

    def work() -> None:
        with Assay(address, KEY) as client:
            found = client.search_logs("tst_a", text="LINE 1", step=5)
            assert (found.count, found.marks, found.first_error_seq) == (11, (1, 14, 19), None)
            logs = client.logs("tst_a", text="line 1", match_case=True, from_seq=12, to_seq=15)
            assert [entry.seq for entry in logs] == [12, 13, 14, 15]
            assert client.search_logs("tst_a", text="LINE 1", match_case=True).count == 0

    await asyncio.to_thread(work)


async def test_a_watch_goes_on_after_a_lost_connection(fake: FakeServer, address: str) -> None:
    fake.stories["tst_a"] = Story([a_test("tst_a", "RUNNING"), passed("tst_a")])
    fake.watch_cuts = 1
    states = await in_thread(address, lambda client: [update.test.state for update in client.watch("tst_a")])
    assert states == [TestState.RUNNING, TestState.COMPLETED]


async def test_wait_gives_up_in_time(fake: FakeServer, address: str) -> None:
    fake.stories["tst_a"] = Story([a_test("tst_a", "RUNNING"), passed("tst_a")], gate=asyncio.Event())
    with pytest.raises(TimeoutError):
        await in_thread(address, lambda client: client.wait("tst_a", timeout=0.1))


async def test_calls_are_repeated_and_errors_translated(fake: FakeServer, address: str) -> None:
    fake.refusals["SubmitTest.after"] = [Refusal(grpc.StatusCode.UNAVAILABLE)]
    await in_thread(address, lambda client: client.submit("code", "query"))
    assert len(fake.stories) == 1
    fake.refusals["SubmitTest"] = [Refusal(grpc.StatusCode.INVALID_ARGUMENT, "empty")]
    with pytest.raises(InvalidRequest, match="empty"):
        await in_thread(address, lambda client: client.submit("", ""))


async def test_it_starts_no_thread_of_python(address: str) -> None:
    def body(client: Assay) -> int:
        client.queue_status()
        return threading.active_count()

    before = threading.active_count()
    assert await in_thread(address, body) <= before + 1  # the one that this test runs it in


async def test_archive_stats_and_the_watched_queue_are_those_of_the_asyncio_client(
    fake: FakeServer, address: str
) -> None:
    fake.archived = test_service_pb2.ArchiveTestsResponse(archived_count=2, skipped_test_ids=["tst_b"])
    fake.stats.stats.agent_id = "greeter"
    one, two = (queue_service_pb2.QueueStatus(pending=number) for number in (1, 2))
    fake.queue_stories = [[one], [one, two]]

    def body(client: Assay) -> None:
        archived = client.archive(["tst_a"], older_than=timedelta(days=1), states=["failed"])
        assert (archived.count, archived.skipped) == (2, ("tst_b",))
        assert client.agent_stats("greeter").agent_id == "greeter"
        with closing(client.watch_queue()) as changes:
            assert [next(changes).pending, next(changes).pending] == [1, 2]

    await in_thread(address, body)


async def test_a_list_with_a_limit_ends_where_the_next_page_begins(fake: FakeServer, address: str) -> None:
    fake.listed = [a_test(f"tst_{number}", "QUEUED") for number in range(6)]
    fake.page_sizes = [1, 0, 2]
    pages = await in_thread(address, lambda client: list(client.list(limit=5).pages()))
    assert [len(page.tests) for page in pages] == [1, 0, 2, 2]
    assert pages[-1].next_page_token == "5"
