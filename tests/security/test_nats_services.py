"""Each service works with a user of NATS that may do what it needs, and that user may do no more."""

from __future__ import annotations

import ast
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from assay import AsyncAssay
from assay.admin import DeadLetter
from deploy.local.credentials import USER
from deploy.local.nats import NatsServer
from deploy.nats_accounts import Login, login_of
from shared.bus.rights import CONSUMES, SERVICES, STREAMS
from shared.bus.streams import ALL, consumer_config, provision, stream_of
from shared.bus.subjects import durable_of
from shared.events.catalog import ALL as EVENTS
from tests.support.local_mode import LocalMode, local_mode, skip_without_sandbox
from tests.support.nats_servers import nats_programs
from tests.support.servers import free_port, running
from tests.support.until import until

PASSWORD = "of-the-tests"
ROOT = Path(__file__).parents[2]
AGENT = "def run(query):\n    print('one')\n    return query\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMode]:
    """Local mode, whose services have the users that `assay-admin nats` makes."""
    skip_without_sandbox()
    with local_mode(tmp_path_factory.mktemp("user") / ".assay", "--log-level", "info") as running:
        yield running


@pytest.mark.slow
async def test_everything_works_with_the_least_rights(server: LocalMode) -> None:
    async with AsyncAssay(server.known["address"], server.known["api_key"]) as client:
        test = await client.submit(AGENT, "hello")
        async for line in client.logs(test.id, follow=True):
            assert line.text == "one"
        assert (await client.wait(test.id)).response == "hello"
        waiting = await client.submit("import time\ndef run(query):\n    time.sleep(60)\n", "x")
        await client.cancel(waiting.id)
        await client.wait(waiting.id)
        assert (await client.packages.generate(test.id, wait=60)).sha256
        await client.admin.set_capacity(7)

        ports = json.loads((server.folder / "ports.json").read_text())
        password = json.loads((server.folder / "credentials.json").read_text())["nats_password"]
        own = await nats.connect(NatsServer(server.folder, ports["nats"], (Login(USER, password),)).url)
        try:
            await own.jetstream().publish("test.completed.dev.tst_9", b"no event")
            letters = await until(lambda: _letters(client))
            assert letters[0].service == "scheduler"
            assert await client.admin.replay(letters[0].id) == 1
        finally:
            await own.close()
        health = await client.admin.health()
        assert {one.service for one in health.services} >= set(SERVICES)
    assert "ermissions violation" not in server.said.lower()
    assert "bus_error" not in server.said
    assert "_not_published" not in server.said


async def _letters(client: AsyncAssay) -> list[DeadLetter]:
    return [letter async for letter in client.admin.dead_letters()]


@pytest.fixture(params=nats_programs(), ids=lambda program: program.name)
def alone(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NatsServer]:
    logins = (Login("assay", PASSWORD), *(login_of(name, PASSWORD) for name in SERVICES))
    found = NatsServer(tmp_path / "nats", free_port(), logins, program=str(request.param.path))
    with running(found, tmp_path / "log"):
        yield found


@asynccontextmanager
async def connected(server: NatsServer, login: Login) -> AsyncIterator[tuple[Client, list[str]]]:
    refused: list[str] = []

    async def note(error: Exception) -> None:
        refused.append(str(error).lower())

    client = await nats.connect(server.url_of(login), error_cb=note, max_reconnect_attempts=2)
    try:
        yield client, refused
    finally:
        await client.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_may_do_nothing_that_is_not_its_own(alone: NatsServer, service: str) -> None:
    other = "scheduler" if service != "scheduler" else "orchestrator"
    event = CONSUMES[other][0]
    stream, durable = STREAMS[event.partition(".")[0]], durable_of(other, event)
    login = next(login for login in alone.logins if login.user == service)
    async with connected(alone, alone.logins[0]) as (own, _), connected(alone, login) as (client, refused):
        await provision(own.jetstream(), replicas=1)
        await own.jetstream().add_consumer(stream, consumer_config(durable, f"{event}.*.*"))
        publishing = [
            *(f"$JS.API.STREAM.{act}.{stream}" for act in ("PURGE", "UPDATE", "DELETE", "MSG.DELETE", "SNAPSHOT")),
            *("$JS.API.STREAM.CREATE.MINE", "$JS.API.STREAM.RESTORE.MINE", f"$JS.API.CONSUMER.CREATE.{stream}"),
            f"$JS.API.CONSUMER.CREATE.{stream}.evil.>",
            *(f"$JS.API.CONSUMER.{act}.{stream}.{durable}" for act in ("MSG.NEXT", "DELETE", "DURABLE.CREATE")),
            *(
                f"$JS.ACK.{stream}.{durable}.1.1.1.1.0",
                f"dead.{durable}",
                f"_INBOX_{other}.x",
                "$JS.API.ACCOUNT.PURGE.A",
            ),
        ]
        for subject in publishing:
            refused.clear()
            await client.publish(subject, b"{}")
            await client.flush()
            await until(lambda: refused, what=subject)
        for subject in (">", "$JS.API.>", f"_INBOX_{other}.>", "_INBOX.>", f"dead.{durable}"):
            refused.clear()
            await client.subscribe(subject)
            await client.flush()
            await until(lambda: refused, what=subject)
        assert {info.config.name for info in await own.jetstream().streams_info()} == set(STREAMS.values())
        names = [info.name for info in await own.jetstream().consumers_info(stream)]
        assert names == [durable]


async def test_a_service_that_may_not_update_a_stream_works_with_what_is_there(alone: NatsServer) -> None:
    login = next(login for login in alone.logins if login.user == "scheduler")
    async with connected(alone, alone.logins[0]) as (own, _):
        await provision(own.jetstream(), replicas=1)
        config = (await own.jetstream().stream_info("LOGS")).config
        await own.jetstream().update_stream(config, max_age=600.0)
        client = await nats.connect(alone.url_of(login), inbox_prefix=b"_INBOX_scheduler")
        try:
            await provision(client.jetstream(timeout=0.5), replicas=1)
        finally:
            await client.close()
        assert (await own.jetstream().stream_info("LOGS")).config.max_age == 600.0
        await provision(own.jetstream(), replicas=1)
        assert (await own.jetstream().stream_info("LOGS")).config.max_age == 86_400.0


@pytest.mark.parametrize("service", SERVICES)
def test_the_rights_name_the_events_that_the_service_has_handlers_for(service: str) -> None:
    file = ROOT / "services" / service / "handlers.py"
    calls = (
        (node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Call))
        if (file.exists())
        else ()
    )
    handled = {ast.unparse(call.args[0]) for call in calls if ast.unparse(call.func) == "bus.on"}
    assert handled == {event.__name__ for event in EVENTS if event.type in CONSUMES[service]}
    assert len(handled) == len(CONSUMES[service])


def test_the_rights_name_all_streams() -> None:
    assert set(STREAMS.values()) == {stream.name for stream in ALL}
    assert all(stream_of(f"{domain}.x").name == name for domain, name in STREAMS.items())
