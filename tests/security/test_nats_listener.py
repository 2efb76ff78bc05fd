"""Who only listens on NATS hears events and nothing else, and can make nobody else hear anything.

Each attack leads there where a listener is in one account with the services, which is tested, too.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path

import nats
import pytest
import pytest_asyncio
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import TimeoutError as NoAnswer
from nats.js.api import ConsumerConfig, StreamConfig
from nats.js.errors import NotFoundError

from deploy.local.nats import NatsServer
from deploy.nats_accounts import Listener, Login, login_of
from shared.bus.rights import SERVICES, Rights
from shared.bus.streams import provision
from tests.support.nats_servers import lets_in, nats_programs
from tests.support.servers import free_port, running

SOON_S = 0.4
"""Long enough for a message on loopback that is on its way."""
ALICE, BOB = "logs.appended.alice.tst_1", "logs.appended.bob.tst_2"
SCHEDULERS = "scheduler-test-submitted"
PASSWORD = "of-the-tests"

everybody, of_alice = Listener("everybody", PASSWORD), Listener("of_alice", PASSWORD, of="alice")
NEIGHBOUR = Login(
    "neighbour",
    PASSWORD,
    Rights(publish=("$JS.API.INFO", "$JS.API.CONSUMER.CREATE.>", "$JS.API.STREAM.INFO.*"), subscribe=(">",)),
)
"""What a listener was before: in the same account, with the right to read streams."""
LISTENERS = (everybody, of_alice, Listener("other", PASSWORD))


class Bus:
    """A server with accounts as `assay-admin nats` writes them, and everybody's connection to it."""

    def __init__(self, server: NatsServer) -> None:
        self.server = server
        self.refused: list[str] = []
        self._clients: list[Client] = []

    async def connect(self, who: Login | Listener, inbox: str = "_INBOX") -> Client:
        async def note(error: Exception) -> None:
            self.refused.append(str(error).lower())

        client = await nats.connect(
            self.server.url_of(who), error_cb=note, inbox_prefix=inbox.encode(), max_reconnect_attempts=2
        )
        self._clients.append(client)
        return client

    async def close(self) -> None:
        for client in self._clients:
            await client.close()


@pytest.fixture(params=nats_programs(), ids=lambda program: program.name)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NatsServer]:
    own = Login("assay", PASSWORD)
    services = [login_of(name, PASSWORD) for name in SERVICES]
    found = NatsServer(
        tmp_path / "nats", free_port(), (own, *services, NEIGHBOUR), LISTENERS, program=str(request.param.path)
    )
    with running(found, tmp_path / "log"):
        yield found


@pytest_asyncio.fixture
async def bus(server: NatsServer) -> AsyncIterator[Bus]:
    found = Bus(server)
    try:
        yield found
    finally:
        await found.close()


@pytest_asyncio.fixture
async def ours(bus: Bus) -> Client:
    """The operator's connection; streams, the scheduler's consumer and two events are there."""
    client = await bus.connect(bus.server.logins[0])
    jetstream = client.jetstream()
    await provision(jetstream, replicas=1)
    await jetstream.add_consumer("TESTS", ConsumerConfig(durable_name=SCHEDULERS, filter_subject="test.submitted.*.*"))
    await jetstream.publish(ALICE, b"of alice")
    await jetstream.publish(BOB, b"of bob")
    return client


@asynccontextmanager
async def silence(client: Client, *subjects: str) -> AsyncIterator[None]:
    """Whoever listens on these hears nothing of what is done in the block."""
    heard: asyncio.Queue[Msg] = asyncio.Queue()

    for subject in subjects:
        await client.subscribe(subject, cb=heard.put)
    await client.flush()
    yield
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(SOON_S):
            pytest.fail(f"heard: {await heard.get()}")


async def ask(client: Client, subject: str, question: object = None, reply: str = "") -> None:
    await client.publish(subject, json.dumps(question).encode() if question is not None else b"", reply=reply)
    await client.flush()


def pushing(stream: str, to: str, **more: object) -> dict[str, object]:
    config = {"deliver_subject": to, "deliver_policy": "all", "ack_policy": "none", **more}
    return {"stream_name": stream, "config": config}


Attack = Callable[[Client], Awaitable[None]]


def by_consumer(to: str) -> Attack:
    async def attack(client: Client) -> None:
        await ask(client, "$JS.API.CONSUMER.CREATE.LOGS", pushing("LOGS", to))
        await ask(client, "$JS.API.CONSUMER.CREATE.LOGS.evil", pushing("LOGS", to, name="evil"))
        await ask(client, "$JS.API.CONSUMER.DURABLE.CREATE.LOGS.evil", pushing("LOGS", to, durable_name="evil"))

    return attack


def by_answer(to: str) -> Attack:
    async def attack(client: Client) -> None:
        await ask(client, "$JS.API.INFO", reply=to)
        await ask(client, "$JS.API.STREAM.MSG.GET.LOGS", {"seq": 1}, reply=to)
        await ask(client, "$JS.API.DIRECT.GET.LOGS", {"seq": 1}, reply=to)
        await ask(client, "$JS.assay.API.STREAM.MSG.GET.LOGS", {"seq": 1}, reply=to)
        await ask(client, f"$JS.API.CONSUMER.MSG.NEXT.TESTS.{SCHEDULERS}", {"batch": 1}, reply=to)

    return attack


def by_publishing(to: str) -> Attack:
    async def attack(client: Client) -> None:
        await ask(client, to)
        await client.publish(to, b"forged", headers={"Nats-Msg-Id": "x"})

    return attack


TARGETS = ("wake.scheduler", "count.replay", "health.report", "health.ask", "test.submitted.bob.tst_9", "dead.x")


WAYS = (by_consumer, by_answer, by_publishing)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("who", [everybody, of_alice], ids=lambda who: who.user)
async def test_a_listener_makes_no_service_hear_anything(
    bus: Bus, ours: Client, who: Listener, way: Callable[[str], Attack]
) -> None:
    listener = await bus.connect(who)
    async with silence(ours, *TARGETS):
        for to in TARGETS:
            await way(to)(listener)
        await ours.flush()


@pytest.mark.parametrize("way", [by_consumer, by_answer])
async def test_in_one_account_with_the_services_these_ways_lead_there(
    bus: Bus, ours: Client, way: Callable[[str], Attack]
) -> None:
    neighbour = await bus.connect(NEIGHBOUR)
    heard = await ours.subscribe("wake.scheduler")
    await ours.flush()
    await way("wake.scheduler")(neighbour)
    assert (await heard.next_msg(timeout=15)).data


async def test_a_listener_makes_no_other_listener_hear_anything(bus: Bus, ours: Client) -> None:
    attacker, victim = await bus.connect(everybody), await bus.connect(LISTENERS[2])
    for way in WAYS:
        async with silence(victim, ">"):
            await way("test.completed.bob.tst_9")(attacker)
            await ours.flush()


@pytest.mark.parametrize("who", [everybody, of_alice], ids=lambda who: who.user)
async def test_a_listener_changes_no_stream_and_no_consumer(bus: Bus, ours: Client, who: Listener) -> None:
    jetstream = ours.jetstream()
    before = [await jetstream.stream_info(name) for name in ("TESTS", "LOGS", "DEAD")]
    consumer = (await jetstream.consumer_info("TESTS", SCHEDULERS)).config
    listener = await bus.connect(who)
    changed = replace(before[1].config, max_age=1.0).as_dict()
    fewer = pushing("TESTS", "wake.scheduler", durable_name=SCHEDULERS, filter_subject="x", max_deliver=1)
    for subject, question in (
        ("$JS.API.STREAM.PURGE.LOGS", None),
        ("$JS.API.STREAM.UPDATE.LOGS", changed),
        ("$JS.API.STREAM.MSG.DELETE.LOGS", {"seq": 1}),
        ("$JS.API.STREAM.DELETE.LOGS", None),
        ("$JS.API.STREAM.CREATE.MINE", StreamConfig(name="MINE", subjects=["wake.>"]).as_dict()),
        (f"$JS.API.CONSUMER.DURABLE.CREATE.TESTS.{SCHEDULERS}", fewer),
        (f"$JS.API.CONSUMER.DELETE.TESTS.{SCHEDULERS}", None),
        ("$JS.API.ACCOUNT.PURGE.ASSAY", None),
    ):
        await ask(listener, subject, question)
    await ours.flush()
    after = [await jetstream.stream_info(name) for name in ("TESTS", "LOGS", "DEAD")]
    assert [(one.config, one.state.messages) for one in after] == [(one.config, one.state.messages) for one in before]
    assert {info.config.name for info in await jetstream.streams_info()} == {
        *("TESTS", "TASKS", "LOGS", "PACKAGES", "AUDIT", "DEAD")
    }
    assert (await jetstream.consumer_info("TESTS", SCHEDULERS)).config == consumer
    assert [info.name for info in await jetstream.consumers_info("LOGS")] == []


@pytest.mark.parametrize("who", [everybody, of_alice], ids=lambda who: who.user)
async def test_a_listener_hears_nothing_but_events(bus: Bus, ours: Client, who: Listener) -> None:
    listener, other = await bus.connect(who), await bus.connect(LISTENERS[2])
    gateway = await bus.connect(bus.server.logins[1], "_INBOX_gateway")
    async with silence(listener, ">"):
        await gateway.jetstream().stream_info("LOGS")  # the answer goes to the gateway's inbox
        await other.jetstream(domain="assay").get_msg("LOGS", 1)
        for subject in ("wake.scheduler", "health.report", "count.replay", "$JS.API.alice.x.y"):
            await ours.publish(subject, b"ours")
        await ours.jetstream().publish("dead.x", b"a letter")
        await ours.flush()


@pytest.mark.parametrize("subject", [">", "*.*.*.*", "logs.>", "*.*.alice.>", "logs.*.*.tst_1", ALICE])
async def test_listeners_hear_the_events_that_are_theirs(bus: Bus, ours: Client, subject: str) -> None:
    whole, one = await bus.connect(everybody), await bus.connect(of_alice)
    heard = [await client.subscribe(subject) for client in (whole, one)]
    await whole.flush()
    await one.flush()
    for told in (BOB, ALICE, "output.partial.alice.tst_1"):
        await ours.publish(told, b"new")
    await ours.flush()
    for client in (whole, one):
        await client.flush()  # what the server has for it comes before the answer
    subjects = [[message.subject for message in await drained(queue)] for queue in heard]
    expected = [told for told in (BOB, ALICE, "output.partial.alice.tst_1") if matches(subject, told)]
    assert subjects[0] == expected
    assert subjects[1] == [told for told in expected if ".alice." in told]


async def test_who_hears_one_user_hears_no_other_one(bus: Bus, ours: Client) -> None:
    one = await bus.connect(of_alice)
    async with silence(one, "*.*.bob.>"), silence(one, "logs.*.*.tst_2"), silence(one, BOB, "audit.>"):
        await ours.publish(BOB, b"of bob")
        await ours.publish("audit.attempted.alice.aud_1", b"")
        await ours.flush()
    for stream, domain in product(("LOGS", "TESTS", "AUDIT", "DEAD"), ("assay", None)):
        with pytest.raises(NoAnswer):
            await one.jetstream(timeout=SOON_S, domain=domain).get_msg(stream, 2)
        with pytest.raises(NoAnswer):
            await one.jetstream(timeout=SOON_S, domain=domain).get_msg(stream, subject=BOB, direct=True)


async def test_who_hears_everything_reads_the_streams_from_any_position(bus: Bus, ours: Client) -> None:
    whole = (await bus.connect(everybody)).jetstream(timeout=2, domain="assay")
    first = await whole.get_msg("LOGS", 1, next=True, subject="logs.*.*.tst_2")
    assert (first.subject, first.data) == (BOB, b"of bob")
    with pytest.raises(NotFoundError):
        await whole.get_msg("LOGS", (first.seq or 0) + 1, next=True, subject="logs.*.*.tst_2")
    with pytest.raises(NoAnswer):
        await whole.get_msg("DEAD", 1)


@pytest.mark.parametrize(
    ("user", "password"), [("", ""), ("assay", "wrong"), ("everybody", ""), ("gateway", "x"), ("sys", "sys")]
)
async def test_a_stranger_is_let_in_nowhere(server: NatsServer, user: str, password: str) -> None:
    assert not await lets_in(server.port, user, password)
    assert await lets_in(server.port, "everybody", PASSWORD)


async def drained(queue: Subscription) -> list[Msg]:
    found = []
    while True:
        try:
            found.append(await queue.next_msg(timeout=SOON_S))
        except NoAnswer:
            return found


def matches(pattern: str, subject: str) -> bool:
    words, told = pattern.split("."), subject.split(".")
    if words[-1] == ">":
        words, told = words[:-1], told[: len(words) - 1]
    return len(words) == len(told) and all(word in {"*", part} for word, part in zip(words, told, strict=True))
