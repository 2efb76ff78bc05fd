"""With keys, what a test is asked and the values of its environment are nowhere in the store and on the bus."""

from __future__ import annotations

import base64
import io
import json
import os
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from pydantic import SecretStr

from assay.v1 import admin_service_pb2, test_service_pb2
from shared.domain.lifecycle import State
from shared.domain.masterkeys import MasterKey
from shared.domain.packages import PackageState
from shared.events.tests import TestSubmitted
from shared.ids import UserId, new_test_id
from shared.store.datakeys import LocalKeys
from shared.store.documents import Execution, HistoryEntry, Input, Times
from shared.store.executions import Executions
from shared.store.sealing import Seals
from tests.support.gateway import Stage, now, refused, staged
from tests.support.packaging import fetched, generate, shop
from tests.support.servers import RunningServer
from tests.support.system import System, system
from tests.support.until import until

CANARY = "canary4f1e77b0"
SECRET = os.urandom(32)
KEYS = SecretStr("k1:" + base64.b64encode(SECRET).decode())
OTHER = SecretStr("k2:" + base64.b64encode(os.urandom(32)).decode())
CODE = "def run(query):\n    return 'done'\n"


def spellings() -> list[bytes]:
    """The canary as it may lie somewhere."""
    plain = CANARY.encode()
    return [
        plain,
        plain.upper(),
        plain.hex().encode(),
        plain[::-1],
        *(base64.b64encode(b" " * n + plain)[4:-4] for n in range(3)),
    ]


async def dumped(world: System) -> bytes:
    """All that the database has: every collection, system ones and indexes included, as BSON and as text."""
    found: list[bytes] = []
    for name in await world.database.list_collection_names():
        found += [repr(document).encode() async for document in world.database[name].find()]
    return b"\n".join(found)


async def heard(world: System) -> bytes:
    """Every message of every stream."""
    found: list[bytes] = []
    for stream in await world.bus.jetstream.streams_info():
        state = stream.state
        if not state.messages:
            continue
        for sequence in range(state.first_seq, state.last_seq + 1):
            message = await world.bus.jetstream.get_msg(stream.config.name or "", sequence)
            found.append(f"{message.subject} {message.headers}".encode() + (message.data or b""))
    return b"\n".join(found)


@pytest.fixture
async def world(fresh_nats_url: str, mongo_url: str, mongo_database: str) -> AsyncIterator[System]:
    async with system(fresh_nats_url, mongo_url, mongo_database, scheduler_capacity=5) as found:
        yield found


async def ran(world: System, keys: SecretStr) -> Execution:
    """A test with the canary in it, from its submission to its end, by services with these keys."""
    ring = LocalKeys([MasterKey("k1", SECRET)]) if keys.get_secret_value() else None
    tests = Executions(world.database, lambda _: None, Seals(ring))
    test_id, at = new_test_id(), now()
    env = {"ASSAY_SCRIPT": json.dumps({"run_for": 0.05, "lines": ["one"], "result": 1}), "TOKEN": CANARY}
    test = Execution(
        id=test_id,
        user_id=UserId("alice"),
        agent_id="agent",
        input=Input(env=env, query=f"what is {CANARY}", agent_code=CODE),
        request_key=test_id,
        history=[HistoryEntry(state=State.SUBMITTED, at=at, by="alice")],
        times=Times(submitted=at),
    )
    await tests.submit(test, TestSubmitted(test_id=test_id, user_id=test.user_id, at=at, priority=4))
    async with world.services(encryption_keys=keys):

        async def ended() -> bool:
            found = await tests.get(test_id)
            return found is not None and found.state is State.COMPLETED and found.logs.ended

        await until(ended, timeout=30)
    found = await tests.get(test_id)
    assert found is not None
    return found


async def test_a_canary_is_in_no_document_and_no_message(world: System) -> None:
    test = await ran(world, KEYS)
    assert (test.input.query, test.input.env["TOKEN"]) == (f"what is {CANARY}", CANARY)
    everything = await dumped(world) + await heard(world)
    assert test.id.encode() in everything
    assert [spelling for spelling in spellings() if spelling in everything] == []


async def test_without_keys_the_same_look_finds_it(world: System) -> None:
    """Else the test above would prove nothing."""
    await ran(world, SecretStr(""))
    assert CANARY.encode() in await dumped(world)


@pytest.fixture
async def sealed(nats_url: str, mongo_url: str, mongo_database: str) -> AsyncIterator[Stage]:
    async with staged(nats_url, mongo_url, mongo_database, encryption_keys=KEYS) as found:
        yield found


async def stored(stage: Stage) -> str:
    database = stage.others.database
    names = await database.list_collection_names()
    return "\n".join([repr(one) for name in names async for one in database[name].find()])


async def test_over_the_api_everything_is_as_it_was_and_nothing_is_readable(sealed: Stage) -> None:
    alice = await sealed.client("alice")
    given: dict[str, Any] = {"query": f"what is {CANARY}", "env": {"TOKEN": CANARY}, "name": "bot"}
    test = await alice.submit(request_id="r1", **given)
    assert (await alice.submit(request_id="r1", **given)).id == test.id  # answered by the hash, which is sealed, too
    error = await refused(alice.submit(request_id="r1", **{**given, "query": "another"}))
    assert error.code() is grpc.StatusCode.ALREADY_EXISTS
    await sealed.others.started(test.id)
    await sealed.others.completed(test.id)
    retry = (await alice.call("RetryTest", test_service_pb2.RetryTestRequest(test_id=test.id))).test
    for one in (test, retry):
        got = (await alice.call("GetTest", test_service_pb2.GetTestRequest(test_id=one.id))).test
        assert (got.spec.query, dict(got.spec.env)) == (given["query"], given["env"])
    listed = (await alice.call("ListTests", test_service_pb2.ListTestsRequest())).tests
    assert [one.spec.query for one in listed] == [given["query"]] * 2
    by_word = test_service_pb2.TestFilter(text=CANARY)
    assert not (await alice.call("ListTests", test_service_pb2.ListTestsRequest(filter=by_word))).tests
    by_name = test_service_pb2.TestFilter(text="bot")
    assert len((await alice.call("ListTests", test_service_pb2.ListTestsRequest(filter=by_name))).tests) == 2
    assert CANARY not in await stored(sealed)


async def test_the_audit_log_has_no_query_and_no_value(sealed: Stage) -> None:
    alice, root = await sealed.client("alice"), await sealed.client("root", role="admin")
    test = await alice.submit(query=CANARY, env={"TOKEN": CANARY})
    await root.call("GetTest", test_service_pb2.GetTestRequest(test_id=test.id))
    await root.call("CancelTest", test_service_pb2.CancelTestRequest(test_id=test.id))
    entries = (await root.call("ListAudit", admin_service_pb2.ListAuditRequest())).entries
    assert {entry.action for entry in entries} == {"GetTest", "CancelTest", "ListAudit"}
    assert CANARY not in repr(entries)
    assert CANARY not in await stored(sealed)


async def test_a_gateway_without_the_key_says_which_one_and_loses_nothing(
    sealed: Stage, nats_url: str, mongo_url: str, mongo_database: str
) -> None:
    alice = await sealed.client("alice")
    test = await alice.submit(query=CANARY, env={"TOKEN": CANARY}, request_id="r1")
    await sealed.others.started(test.id)
    await sealed.others.completed(test.id)
    async with staged(nats_url, mongo_url, mongo_database, encryption_keys=OTHER) as keyless:
        stranger = await keyless.client("alice")
        got = (await stranger.call("GetTest", test_service_pb2.GetTestRequest(test_id=test.id))).test
        assert got.spec.query == "(encrypted with the key 'k1', which cannot be used here)"
        assert dict(got.spec.env) == {"TOKEN": ""}
        for call in (
            stranger.call("RetryTest", test_service_pb2.RetryTestRequest(test_id=test.id)),
            stranger.submit(query=CANARY, env={"TOKEN": CANARY}, request_id="r1"),
        ):
            error = await refused(call)
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            assert "'k1'" in str(error.details())
    got = (await alice.call("GetTest", test_service_pb2.GetTestRequest(test_id=test.id))).test
    assert got.spec.query == CANARY


async def test_a_test_whose_key_is_missing_waits_and_runs_when_it_is_back(world: System) -> None:
    """A place that cannot run tests fails none."""
    tests = Executions(world.database, lambda _: None, Seals(LocalKeys([MasterKey("k1", SECRET)])))
    test_id, at = new_test_id(), now()
    test = Execution(
        id=test_id,
        user_id=UserId("alice"),
        agent_id="agent",
        input=Input(env={"ASSAY_SCRIPT": json.dumps({"run_for": 0.05})}, query=CANARY, agent_code=CODE),
        request_key=test_id,
        history=[HistoryEntry(state=State.SUBMITTED, at=at, by="alice")],
        times=Times(submitted=at),
    )
    await tests.submit(test, TestSubmitted(test_id=test_id, user_id=test.user_id, at=at, priority=4))

    async def state() -> Execution:
        found = await tests.get(test_id)
        assert found is not None
        return found

    async with world.services(encryption_keys=OTHER):

        async def tried() -> bool:
            found = await state()
            return found.state is State.BUILDING and found.lease is not None

        await until(tried, timeout=30)
    found = await state()
    assert (found.state, found.attempt, found.failure) == (State.BUILDING, 1, None)
    async with world.services("two", encryption_keys=KEYS):

        async def ended() -> bool:
            return (await state()).state is State.COMPLETED

        await until(ended, timeout=60)
    assert (await state()).attempt == 1


async def test_a_package_whose_key_is_missing_waits_for_it_and_has_the_query(
    nats_url: str, mongo_url: str, mongo_database: str, emulator: RunningServer
) -> None:
    async with shop(nats_url, mongo_url, mongo_database, emulator, encryption_keys=KEYS) as market:
        alice = await market.stage.client("alice")
        test_id = await market.completed(alice, query=CANARY, env={"TOKEN": CANARY})
        async with market.packager("keyless", encryption_keys=OTHER):
            package = (await generate(alice, test_id, wait_s=0)).package

            async def put_off() -> bool:
                found = await market.stored(package.id)
                return found.claim is not None and not found.claim.owner and found.claim.until > found.requested_at

            await until(put_off, timeout=30)
        assert (await market.stored(package.id)).state is PackageState.GENERATING
        assert CANARY not in await stored(market.stage)
        async with market.packager("with the key", encryption_keys=KEYS):
            answer = await generate(alice, test_id, wait_s=30)
        with zipfile.ZipFile(io.BytesIO(await fetched(answer.link.url))) as archive:
            texts = {name: archive.read(name).decode(errors="replace") for name in archive.namelist()}
    query = next(text for name, text in texts.items() if name.endswith("query.json"))
    assert json.loads(query) == {"query": CANARY}
    assert any("TOKEN" in text for name, text in texts.items() if name.endswith(".env.example"))
    assert [name for name, text in texts.items() if f"TOKEN={CANARY}" in text] == []
