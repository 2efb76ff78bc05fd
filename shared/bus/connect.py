"""One service's connection to the bus: subscribe to events before it starts, publish and follow while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from ssl import SSLContext, create_default_context
from typing import Self, TypeVar

import structlog
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from faststream.nats.security import NatsSecurity
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig

from shared.advisories import NATS
from shared.background import background, end, every
from shared.bus.headers import take_any_headers
from shared.bus.middleware import decoded, settle_with
from shared.bus.pull import LIMIT_S, PromptJetStream
from shared.bus.streams import RETRY_DELAYS_S, consumer_config, ensure_consumer, provision, stream_of
from shared.bus.subjects import INBOX, NUDGE, durable_of
from shared.errors import Unavailable
from shared.events.base import Event
from shared.settings import CommonSettings
from shared.telemetry.holes import tell_holes
from shared.telemetry.report import Lateness

log = structlog.get_logger()
Told = TypeVar("Told", bound=Event)

CONNECT_TIMEOUT_S = 5
PUBLISH_TIMEOUT_S = 5.0
WATCH_INTERVAL_S = 10.0
DRAIN_S = 15.0
"""Longer than what a handler under way is waited for."""


class Bus:
    """A service's side of NATS JetStream."""

    def __init__(
        self,
        url: str,
        *,
        service: str,
        replicas: int = 1,
        workers: int = 64,
        tls: SSLContext | None = None,
        retry_delays_s: Sequence[float] = RETRY_DELAYS_S,
        watch_interval_s: float = WATCH_INTERVAL_S,
        closed_holes: AbstractSet[str] = frozenset(),
    ) -> None:
        self._closed_holes = closed_holes
        self._service = service
        self._watch_interval_s = watch_interval_s
        self._replicas = replicas
        self._workers = workers
        self._consumers: list[tuple[str, ConsumerConfig]] = []
        self._client: Client | None = None
        self._closing = False
        self._pulling: PromptJetStream | None = None
        self.lateness = Lateness(time.monotonic)
        """How long messages wait until they are taken up."""
        self._on_return: list[Callable[[], None]] = []
        self.broker = NatsBroker(
            url,
            name=f"assay-{service}",
            inbox_prefix=INBOX.format(service),
            security=NatsSecurity(ssl_context=tls) if tls else None,
            connect_timeout=CONNECT_TIMEOUT_S,
            # The default gives up after 60 tries; a service must outlive its server's longest restart.
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.25,  # type: ignore[arg-type]  # nats-py takes a float
            ping_interval=20,
            middlewares=[settle_with(self._publish_dead, self.lateness.note, retry_delays_s)],
            graceful_timeout=10.0,
            logger=None,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_reconnected,
        )

    @classmethod
    def of(cls, settings: CommonSettings, service: str) -> Self:
        """The bus that the settings name. Raises Unavailable where a certificate cannot be read."""
        try:
            tls = _tls(settings)
        except OSError as error:  # ssl's own error is one
            raise Unavailable(f"NATS over TLS: {error.filename or 'a certificate'}: {error.strerror}") from error
        return cls(
            settings.nats_url.get_secret_value(),
            service=service,
            replicas=settings.stream_replicas,
            tls=tls,
            closed_holes=frozenset(settings.nats_closed_holes),
        )

    def on(self, event: type[Told], handler: Callable[[Told], Awaitable[None]]) -> None:
        """Calls `handler` for each `event`, at least once.

        All replicas of a service share the work. Call it before `running`."""
        stream = stream_of(event.type)
        durable = durable_of(self._service, event.type)
        config = consumer_config(durable, event.pattern())
        self._consumers.append((stream.name, config))
        subscriber = self.broker.subscriber(
            event.pattern(),
            stream=JStream(stream.name, declare=False),
            durable=durable,
            config=config,
            pull_sub=PullSub(batch_size=self._workers, timeout=LIMIT_S),
            max_workers=self._workers,
            ack_policy=AckPolicy.MANUAL,
            decoder=decoded,
            title=durable,
            description=(event.__doc__ or "").strip(),
        )
        subscriber(handler)

    @asynccontextmanager
    async def connected(self, *, declare: bool = True) -> AsyncIterator[None]:
        """Connected, with the streams in place. Raises Unavailable where the server does not answer.

        Without `declare` streams are left as they are: for who may not know how many copies there are to be."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                self._client = await self.broker.connect()
        except (TimeoutError, OSError) as error:
            raise Unavailable(f"NATS does not answer: {error!r}") from error
        take_any_headers(self._client)
        tell_holes(NATS, _version_of(self._client), self._closed_holes)
        self._pulling = PromptJetStream(self._client)
        self.broker.config.connection_state.connect(self._client, self._pulling)  # FastStream subscribes through it
        try:
            if declare:
                await provision(self.jetstream, replicas=self._replicas)
            yield
        finally:
            self._closing = True
            await self._disconnect()

    @asynccontextmanager
    async def consuming(self) -> AsyncIterator[None]:
        """Every `on` handler is called from here on; at the end the ones under way are waited for."""
        for stream, config in self._consumers:
            await ensure_consumer(self.jetstream, stream, config)
        await self.broker.start()
        async with background(every(self._watch_interval_s, "consumer_watch", self._watch_consumers)):
            try:
                yield
            finally:
                stops = (subscriber.stop() for subscriber in self.broker.subscribers)
                for answer in await asyncio.gather(*stops, return_exceptions=True):
                    if isinstance(answer, Error):  # the server is away, and with it what should be unsubscribed
                        log.warning("bus_not_unsubscribed", service=self._service, error=repr(answer))
                    elif isinstance(answer, BaseException):
                        raise answer

    async def _disconnect(self) -> None:
        try:
            async with asyncio.timeout(DRAIN_S):
                await self.broker.stop()
        except (Error, TimeoutError) as error:
            log.warning("bus_not_drained", service=self._service, error=repr(error))
            await self._abandon()

    async def _abandon(self) -> None:
        """Closes a connection that is lost. nats-py alone would cancel its reconnecting once, which may be swallowed,
        so that it connects later for nobody; and it would leave off where it flushes into the lost connection."""
        client = self.client
        if (reconnecting := client._reconnection_task) is not None:  # noqa: SLF001
            await end([reconnecting])
        client._pending, client._pending_data_size = [], 0  # noqa: SLF001 - what was to be told is in the outboxes
        with contextlib.suppress(OSError, RuntimeError):  # asyncio's and uvloop's word for a lost connection
            await client.close()

    @property
    def client(self) -> Client:
        """The raw NATS connection. Raises Unavailable before `running`."""
        if self._client is None:
            raise Unavailable("the bus is not connected yet")
        return self._client

    @property
    def jetstream(self) -> JetStreamContext:
        return self.client.jetstream(timeout=PUBLISH_TIMEOUT_S)

    async def check(self) -> None:
        """Raises Unavailable where the server cannot be reached now."""
        if not self.client.is_connected:
            raise Unavailable("NATS is not connected")

    async def check_answers(self) -> None:
        """Asks JetStream a question, which finds out about a server that is connected and does not work. Raises
        Unavailable."""
        try:
            await self.jetstream.account_info()
        except (Error, OSError) as error:
            raise Unavailable(f"JetStream does not answer: {error!r}") from error

    async def follow(self, subject: str, heard: Callable[[Msg], Awaitable[None]]) -> Subscription:
        """Hears what is published on `subject` from now on; no promise that it is all, so the store is read, too."""
        return await self.client.subscribe(subject, cb=heard)

    def when_reconnected(self, told: Callable[[], None]) -> None:
        """Calls `told` whenever a lost connection is there again: what was published meanwhile nobody heard here."""
        self._on_return.append(told)

    async def nudge(self, service: str) -> None:
        """Asks every replica of a service to look at the store now, instead of at its next round.

        It is no event: it tells nothing, nobody keeps it, and losing it costs the time until that round."""
        try:
            await self.client.publish(NUDGE.format(service), b"")
        except (Error, OSError, Unavailable) as error:
            log.warning("not_nudged", service=service, error=repr(error))

    async def when_nudged(self, look: Callable[[], Awaitable[None]]) -> None:
        """Calls `look` when this service is nudged, from now on."""

        async def nudged(_: Msg) -> None:
            try:
                await look()
            except Exception as error:  # noqa: BLE001 - the next round looks, too
                log.warning("nudge_failed", service=self._service, error=repr(error))

        await self.client.subscribe(NUDGE.format(self._service), cb=nudged)

    async def _publish_dead(self, subject: str, body: bytes, headers: dict[str, str]) -> None:
        await self.jetstream.publish(subject, body, headers=headers)

    async def _watch_consumers(self) -> None:
        """A consumer that was deleted on the server would leave its subscriber silent for ever; it is made again."""
        if not self.client.is_connected:
            return
        await provision(self.jetstream, replicas=self._replicas)
        missing = False
        for stream, config in self._consumers:
            if await ensure_consumer(self.jetstream, stream, config):
                log.warning("consumer_was_missing", consumer=config.durable_name, stream=stream)
                missing = True
        if missing and self._pulling is not None:
            await self._pulling.ask_again()  # whoever deleted a stream told nobody who waits for its messages

    async def _on_error(self, error: Exception) -> None:
        log.warning("bus_error", service=self._service, error=repr(error))

    async def _on_disconnected(self) -> None:
        if not self._closing:
            log.warning("bus_disconnected", service=self._service)

    async def _on_reconnected(self) -> None:
        log.info("bus_reconnected", service=self._service)
        for told in self._on_return:
            told()
        if self._pulling is not None:
            await self._pulling.ask_again()


def _version_of(client: Client) -> str:
    found = client.connected_server_version
    return f"{found.major}.{found.minor}.{found.patch}"


def _tls(settings: CommonSettings) -> SSLContext | None:
    """How to speak TLS; None leaves it to the URL (`tls://` trusts whom the system trusts)."""
    if settings.nats_ca_file is None and settings.nats_cert_file is None:
        return None
    for file in (settings.nats_ca_file, settings.nats_cert_file, settings.nats_key_file):
        if file is not None:
            file.open().close()  # says which one it is that cannot be read; ssl does not
    context = create_default_context(cafile=settings.nats_ca_file)
    if settings.nats_cert_file is not None:
        context.load_cert_chain(settings.nats_cert_file, settings.nats_key_file)
    return context
