"""ListQueue on a real store: the order, the positions, and what of others' tests may be seen."""

from collections.abc import AsyncIterator
from datetime import timedelta

import grpc
import pytest_asyncio

from assay.v1 import queue_service_pb2 as pb
from assay.v1 import test_pb2
from shared.ids import TestId
from shared.store.queue import Queue, Spell
from shared.store.slots import Slots
from tests.support.gateway import Client, Stage, now, refused, staged, violations_of

Code = grpc.StatusCode
QUEUED, BUILDING, RUNNING = (
    test_pb2.TEST_STATE_QUEUED,
    test_pb2.TEST_STATE_BUILDING,
    test_pb2.TEST_STATE_RUNNING,
)


@pytest_asyncio.fixture
async def stage(nats_url: str, mongo_url: str, mongo_database: str) -> AsyncIterator[Stage]:
    async with staged(nats_url, mongo_url, mongo_database) as stage:
        await Slots(stage.others.database).ensure(4)
        yield stage


@pytest_asyncio.fixture
async def bob(stage: Stage) -> Client:
    return await stage.client("bob")


async def queued(stage: Stage, client: Client, rank: float, *, priority: int = 4, name: str = "") -> str:
    test = await client.submit(name=name, priority=priority)
    await stage.others.queued(test.id, rank=rank)
    return test.id


async def running(stage: Stage, client: Client, *, minutes: float, name: str = "", begun: bool = True) -> str:
    """A test that has held a slot for so long."""
    test = await client.submit(name=name)
    since = now() - timedelta(minutes=minutes)
    assert (
        await Slots(stage.others.database).take(test=TestId(test.id), user=client.user, attempt=1, now=since)
        is not None
    )
    if begun:
        await stage.others.started(test.id)
    return test.id


async def listed(client: Client, **fields: int | str) -> pb.ListQueueResponse:
    answer: pb.ListQueueResponse = await client.call("ListQueue", pb.ListQueueRequest(**fields))  # type: ignore[arg-type]
    return answer


async def test_what_waits_is_in_the_order_of_service_with_exact_places_over_pages(stage: Stage, alice: Client) -> None:
    last = await queued(stage, alice, 1.0, priority=0)
    third, second = await queued(stage, alice, 7.0), await queued(stage, alice, 3.0)
    first = await queued(stage, alice, 9.0, priority=9, name="urgent")
    page = await listed(alice, page_size=3)
    assert [(entry.position, entry.test_id) for entry in page.waiting] == [(1, first), (2, second), (3, third)]
    assert (page.waiting[0].name, page.waiting[0].priority, page.waiting[0].state) == ("urgent", 9, QUEUED)
    assert page.waiting[0].HasField("since_time")
    rest = await listed(alice, page_size=3, page_token=page.next_page_token)
    assert [(entry.position, entry.test_id) for entry in rest.waiting] == [(4, last)]
    assert not rest.next_page_token
    # Who leaves moves the others up, between two pages, too.
    await stage.others.scheduled(second)
    rest = await listed(alice, page_size=3, page_token=page.next_page_token)
    assert [(entry.position, entry.test_id) for entry in rest.waiting] == [(3, last)]


async def test_what_holds_a_slot_comes_longest_first_on_the_first_page_only(stage: Stage, alice: Client) -> None:
    young = await running(stage, alice, minutes=1, name="young")
    old = await running(stage, alice, minutes=5)
    taken = await running(stage, alice, minutes=0, begun=False)  # its test has not moved yet
    for rank in (1.0, 2.0):
        await queued(stage, alice, rank)
    page = await listed(alice, page_size=1)
    assert [(entry.test_id, entry.state) for entry in page.running] == [
        (old, RUNNING),
        (young, RUNNING),
        (taken, BUILDING),
    ]
    assert {entry.position for entry in page.running} == {0}
    assert not page.running[0].HasField("estimated_wait")
    assert page.running[1].name == "young"
    assert timedelta(minutes=4) < now() - page.running[0].since_time.ToDatetime(now().tzinfo) < timedelta(minutes=6)
    assert not (await listed(alice, page_size=1, page_token=page.next_page_token)).running
    await stage.others.completed(old)  # the slot is let go of a moment later
    assert [entry.test_id for entry in (await listed(alice)).running] == [young, taken]


async def test_others_are_there_without_names_and_an_admin_sees_all(stage: Stage, alice: Client, bob: Client) -> None:
    root = await stage.client("root", role="admin")
    holds = await running(stage, bob, minutes=1, name="his")
    theirs, mine = await queued(stage, bob, 1.0, name="secret plan"), await queued(stage, alice, 2.0, name="mine")
    page = await listed(alice)
    assert "secret plan" not in str(page)
    assert "his" not in {entry.name for entry in page.running}
    assert [(one.test_id, one.user_id, one.name, one.own) for one in page.running] == [("", "", "", False)]
    assert [(one.position, one.test_id, one.user_id, one.name, one.own) for one in page.waiting] == [
        (1, "", "", "", False),
        (2, mine, "alice", "mine", True),
    ]
    page = await listed(root)
    assert [(one.test_id, one.user_id, one.name, one.own) for one in page.running] == [(holds, "bob", "his", False)]
    assert [(one.test_id, one.user_id, one.name) for one in page.waiting] == [
        (theirs, "bob", "secret plan"),
        (mine, "alice", "mine"),
    ]


async def test_the_wait_is_estimated_as_elsewhere_and_not_told_where_nothing_is_known(
    stage: Stage, alice: Client
) -> None:
    for rank in (1.0, 2.0):
        await queued(stage, alice, rank)
    assert not any(entry.HasField("estimated_wait") for entry in (await listed(alice)).waiting)
    await Queue(stage.others.database).released([Spell(now(), 20.0)])
    waits = [entry.estimated_wait.ToTimedelta().total_seconds() for entry in (await listed(alice)).waiting]
    assert waits == [5.0, 10.0]  # four slots, each held for 20 s
    await Slots(stage.others.database).pause(now(), "root", "why")
    assert not any(entry.HasField("estimated_wait") for entry in (await listed(alice)).waiting)


async def test_an_empty_queue_and_bad_requests(alice: Client) -> None:
    assert await listed(alice) == pb.ListQueueResponse()
    assert set(violations_of(await refused(listed(alice, page_size=-1)))) == {"page_size"}
    for token in ("nonsense", "AAAA"):
        error = await refused(listed(alice, page_token=token))
        assert error.code() is Code.INVALID_ARGUMENT
        assert set(violations_of(error)) == {"page_token"}
