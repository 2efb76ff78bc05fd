"""WatchTests on real servers: what changes is told, to those who may see it, and what was missed is owned up to."""

import asyncio
from typing import Any, Self

import grpc
import pytest

from assay.v1 import test_pb2
from assay.v1 import test_service_pb2 as pb
from tests.support.gateway import Client, Stage, refused, staged, violations_of
from tests.support.servers import RunningServer
from tests.support.until import until

Code = grpc.StatusCode
SUBMITTED, COMPLETED = test_pb2.TEST_STATE_SUBMITTED, test_pb2.TEST_STATE_COMPLETED


class Watching:
    """A stream that is read in the background, from its first message on."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._told = aiter(stream)
        self.messages: list[pb.WatchTestsResponse] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        async with asyncio.timeout(15):
            first = await anext(self._told)
        assert not first.tests
        assert not first.more
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._task is not None
        self._stream.cancel()
        await asyncio.wait({self._task})

    async def _read(self) -> None:
        async for message in self._told:
            self.messages.append(message)

    @property
    def more(self) -> bool:
        return any(message.more for message in self.messages)

    @property
    def newest(self) -> dict[str, test_pb2.Test]:
        return {test.id: test for message in self.messages for test in message.tests}

    def state(self, test_id: str) -> int:
        test = self.newest.get(test_id)
        return test.state if test else 0

    async def tells(self, test_id: str, state: int) -> test_pb2.Test:
        await until(lambda: self.state(test_id) == state, what=f"{test_id} to be told in state {state}")
        return self.newest[test_id]


def watch(client: Client, view: Any = 0, **conditions: Any) -> Watching:
    request = pb.WatchTestsRequest(filter=pb.TestFilter(**conditions), view=view)
    return Watching(client.stream("WatchTests", request))


async def test_new_tests_and_moves_are_told_as_they_stand(stage: Stage) -> None:
    alice = await stage.client("alice")
    old = await alice.submit()
    async with watch(alice) as seen:
        new = await alice.submit(query="news?")
        assert (await seen.tells(new.id, SUBMITTED)).spec.query == "news?"
        await stage.others.started(new.id)
        await stage.others.completed(new.id)
        told = await seen.tells(new.id, COMPLETED)
        assert told.result.success
        assert not told.result.response_json  # BASIC, as in lists
        assert old.id not in seen.newest  # it has not changed
        assert not seen.more


async def test_everybody_sees_their_own_and_an_admin_sees_all_or_one_users(stage: Stage) -> None:
    alice, bob = await stage.client("alice"), await stage.client("bob")
    root = await stage.client("root", role="admin")
    async with (
        watch(alice) as alices,
        watch(bob, own=True) as bobs,
        watch(root) as everybodys,
        watch(root, user_id="bob") as of_bob,
        watch(root, own=True) as roots,
    ):
        tests = [await client.submit() for client in (alice, bob, root)]
        for test in tests:
            await everybodys.tells(test.id, SUBMITTED)
        await roots.tells(tests[2].id, SUBMITTED)
        await alices.tells(tests[0].id, SUBMITTED)
        await bobs.tells(tests[1].id, SUBMITTED)
        await of_bob.tells(tests[1].id, SUBMITTED)
    assert set(alices.newest) == {tests[0].id}
    assert set(bobs.newest) == set(of_bob.newest) == {tests[1].id}
    assert set(roots.newest) == {tests[2].id}


async def test_nobody_but_an_admin_may_watch_another_user(stage: Stage) -> None:
    alice = await stage.client("alice")
    request = pb.WatchTestsRequest(filter=pb.TestFilter(user_id="bob"))
    assert (await refused(alice.stream("WatchTests", request).read())).code() is Code.PERMISSION_DENIED


async def test_an_agent_and_labels_narrow_what_is_told(stage: Stage) -> None:
    alice = await stage.client("alice")
    async with (
        watch(alice, agent_id="bot") as of_agent,
        watch(alice, labels={"team": "a"}) as with_value,
        watch(alice, labels={"team": ""}) as with_key,
        watch(alice) as everything,
    ):
        first = await alice.submit(agent_id="bot", labels={"team": "a"})
        second = await alice.submit(agent_id="other", labels={"team": "b"})
        third = await alice.submit(agent_id="other", labels={"teams": "a"})
        for test in (first, second, third):
            await everything.tells(test.id, SUBMITTED)
        await of_agent.tells(first.id, SUBMITTED)
        await with_value.tells(first.id, SUBMITTED)
        await with_key.tells(second.id, SUBMITTED)
    assert set(of_agent.newest) == set(with_value.newest) == {first.id}
    assert set(with_key.newest) == {first.id, second.id}


async def test_a_larger_view_has_the_answer(stage: Stage) -> None:
    alice = await stage.client("alice")
    async with watch(alice, view=test_pb2.TEST_VIEW_RESULT) as seen:
        test = await alice.submit()
        await stage.others.started(test.id)
        await stage.others.completed(test.id, response_json='"forty-two"')
        told = await seen.tells(test.id, COMPLETED)
    assert told.result.response_json == '"forty-two"'
    assert len(told.history) == 5


@pytest.mark.parametrize(
    ("conditions", "field"),
    [
        ({"states": [COMPLETED]}, "filter.states"),
        ({"text": "word"}, "filter.text"),
        ({"failure_code": "TIMED_OUT"}, "filter.failure_code"),
        ({"include_archived": True}, "filter.include_archived"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_conditions_that_a_test_may_stop_fulfilling_are_refused(
    stage: Stage, conditions: dict[str, Any], field: str
) -> None:
    alice = await stage.client("alice")
    request = pb.WatchTestsRequest(filter=pb.TestFilter(**conditions))
    error = await refused(alice.stream("WatchTests", request).read())
    assert error.code() is Code.INVALID_ARGUMENT
    assert list(violations_of(error)) == [field]


async def test_after_the_bus_was_away_whoever_watches_is_told_to_read_the_list_again(
    nats_server: RunningServer, mongo_url: str, mongo_database: str
) -> None:
    async with staged(nats_server.url, mongo_url, mongo_database) as stage:
        alice = await stage.client("alice")
        async with watch(alice) as seen:
            before = await alice.submit()
            await seen.tells(before.id, SUBMITTED)
            assert not seen.more
            nats_server.kill()
            nats_server.start()
            await until(lambda: seen.more, timeout=20.0)
            after = await alice.submit()
            await seen.tells(after.id, SUBMITTED)


async def test_a_gateway_that_shuts_down_sends_watchers_elsewhere(
    nats_url: str, mongo_url: str, mongo_database: str
) -> None:
    async with staged(nats_url, mongo_url, mongo_database) as stage:
        alice = await stage.client("alice")
        stream = alice.stream("WatchTests", pb.WatchTestsRequest())
        assert not (await stream.read()).tests
        ending = asyncio.create_task(refused(stream.read()))
        await asyncio.sleep(0)
    assert (await ending).code() is Code.UNAVAILABLE
