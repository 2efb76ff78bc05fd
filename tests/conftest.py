"""Fixtures that every test may ask for. Servers start when the first test asks, once per test process."""

import logging
import signal
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest
import structlog
from hypothesis import settings

from shared.store.connect import Database, connected, provision
from shared.telemetry.notes import keep_errors
from tests.support.docker_engine import DockerEngine, NoContainers, cannot, docker_engine
from tests.support.servers import RunningServer, in_own_loop, running_emulator, running_mongo, running_nats

# No deadline per example: a machine under load is not a failure.
settings.register_profile("assay", deadline=None, max_examples=60)
settings.load_profile("assay")

# A shell starts what it puts into the background with Ctrl-C ignored, and so would be whatever a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What the services log, for the report of a test that fails. The pretty traceback would cost half a second each.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S.%f"),
        keep_errors,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)
_LOGS = structlog.get_config()


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """A command that a test runs in this process logs to a standard error of its own, which is closed afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**_LOGS)
    root.handlers[:], root.level = handlers, level


_SHARED: list[RunningServer] = []
"""Servers that the session shares."""
_DIED: list[str] = []
"""What the summary tells of them."""


def pytest_runtest_setup() -> None:
    """A shared server that died is started again on its data and told of: one death is not a thousand errors."""
    for server in _SHARED:
        if (words := server.last_words()) is not None:
            _DIED.append(f"{server.url} died and was started again; its log ended with:\n{words}")
            server.start()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for death in _DIED:
        terminalreporter.write_line(death, red=True)


@contextmanager
def _shared(running: AbstractContextManager[RunningServer]) -> Iterator[RunningServer]:
    with running as server:
        _SHARED.append(server)
        try:
            yield server
        finally:
            _SHARED.remove(server)


@pytest.fixture(scope="session")
def nats_url() -> Iterator[str]:
    """A nats-server with JetStream shared by the session: for tests that share nothing but subjects of their own."""
    with _shared(running_nats()) as server:
        yield server.url


@pytest.fixture
def nats_server() -> Iterator[RunningServer]:
    """A nats-server of the test's own, which it may kill and start again."""
    with running_nats() as server:
        yield server


@pytest.fixture
def fresh_nats_url(nats_server: RunningServer) -> str:
    """A JetStream without any stream: streams are global per server, so a test that declares them takes this."""
    return nats_server.url


@pytest.fixture(scope="session")
def mongo_url() -> Iterator[str]:
    """A mongod (one-node replica set) shared by the session; take `mongo_database` beside it."""
    with _shared(running_mongo()) as server:
        yield server.url


@pytest.fixture
def mongo_database(mongo_url: str) -> Iterator[str]:
    """The name of a database that no other test uses, dropped afterwards."""
    name = f"assay_test_{uuid.uuid4().hex[:12]}"
    yield name
    in_own_loop(_drop(mongo_url, name))


@pytest.fixture(scope="session")
def emulator() -> Iterator[RunningServer]:
    """An emulator of AWS shared by the session: take a bucket of your own."""
    with _shared(running_emulator()) as server:
        yield server


@pytest.fixture(scope="session")
def store_name(mongo_url: str) -> str:
    """A database with all indexes, which take half a second to make: made once and emptied before each test."""
    name = f"assay_store_{uuid.uuid4().hex[:12]}"
    in_own_loop(_provision(mongo_url, name))
    return name


@pytest.fixture
async def database(mongo_url: str, store_name: str) -> AsyncIterator[Database]:
    """An empty store."""
    async with connected(mongo_url, store_name, service="test") as found:
        for collection in await found.list_collection_names():
            await found[collection].delete_many({})
        yield found


async def _provision(url: str, name: str) -> None:
    async with connected(url, name, service="test") as found:
        await provision(found)


async def _drop(url: str, name: str) -> None:
    from pymongo import AsyncMongoClient

    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(url)
    async with client:
        await client.drop_database(name)


@pytest.fixture(scope="session")
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Tells the user what takes so long, past the capturing of output."""
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")
    capturing = request.config.pluginmanager.get_plugin("capturemanager")

    def tell(text: str) -> None:
        if terminal is not None and capturing is not None:
            with capturing.global_and_fixture_disabled():
                terminal.ensure_newline()
                terminal.write_line(f"  . {text}")

    return tell


@pytest.fixture(scope="session")
def engine(say: Callable[[str], None]) -> Iterator[DockerEngine]:
    """A Docker Engine: one for the whole session, since the users of an engine wait for one another to share it."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(docker_engine(say))
        except NoContainers as reason:
            cannot(reason)
        yield running
