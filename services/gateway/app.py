"""Constructs the gateway and wires it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from services.gateway.authentication import Authentication
from services.gateway.cancel import Cancellation
from services.gateway.feed import BusFeed
from services.gateway.interceptors import Edge
from services.gateway.listing import Listing
from services.gateway.live import Live
from services.gateway.logpages import LogPages
from services.gateway.logs import LogStreams
from services.gateway.packages.arrivals import Arrivals
from services.gateway.packages.generate import Generation
from services.gateway.packages.links import Links
from services.gateway.packages.listing import PackageListing
from services.gateway.places import Places
from services.gateway.queuestatus import QueueStatus
from services.gateway.resources import Defaults
from services.gateway.retry import Retry
from services.gateway.rpc.health import LOOK_S, HealthRpc
from services.gateway.rpc.packages import PackageRpc
from services.gateway.rpc.queue import QueueRpc
from services.gateway.rpc.tests import TestRpc
from services.gateway.server import SERVICES, build, listen
from services.gateway.settings import GatewaySettings
from services.gateway.submit import Submission
from services.gateway.syntax import SyntaxChecker
from services.gateway.watch import Watch
from shared.aws.opening import OpenAws, Opening, open_aws
from shared.background import background, every
from shared.bus.connect import Bus
from shared.bus.relay import Relay
from shared.clock import SystemClock
from shared.store.connect import check, connected, provision
from shared.store.executions import Executions
from shared.store.keys import ApiKeys
from shared.store.logs import LogChunks
from shared.store.packages import Packages
from shared.store.queue import Queue
from shared.store.slots import Slots
from shared.telemetry.health import Health


class GatewayHealth(Health):
    """The gateway's health, and what it runs with."""

    def __init__(self) -> None:
        super().__init__("gateway")
        self.port = 0
        """Where it listens: the port of the settings, or the free one that was taken."""
        self.live: Live | None = None


@asynccontextmanager
async def running(settings: GatewaySettings, *, aws: OpenAws = open_aws) -> AsyncIterator[GatewayHealth]:
    """The gateway at work; at the end calls under way are let finish and streams are sent elsewhere.

    AWS is opened by `aws` when the first link is signed."""
    health = GatewayHealth()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            connected(settings.mongo_url.get_secret_value(), settings.mongo_database, service="gateway")
        )
        await provision(database)
        clock = SystemClock()
        bus = Bus.of(settings, "gateway")
        relay = Relay(bus, clock, interval_s=settings.sweep_interval_s)
        tests = Executions(database, relay.tell)
        package_relay = Relay(bus, clock, interval_s=settings.sweep_interval_s)
        packages = Packages(database, package_relay.tell)
        opening = Opening(settings, aws)
        stack.callback(opening.close)
        lines = LogChunks(database)
        line = Queue(database)
        syntax = SyntaxChecker()
        feed = BusFeed(bus)
        live = Live(feed, tests, lines, look_s=settings.gateway_look_s)
        arrivals = Arrivals(feed, packages, look_s=settings.gateway_look_s)
        places = Places(line)
        probe = HealthRpc(health, SERVICES)
        server = build(
            settings,
            [Edge(Authentication(ApiKeys(database), clock.now))],
            tests=TestRpc(
                tests,
                submission=Submission(
                    tests,
                    syntax,
                    clock,
                    Defaults(settings.gateway_default_timeout_s, settings.gateway_default_memory_mib),
                ),
                listing=Listing(tests),
                watch=Watch(tests, live, places),
                streams=LogStreams(tests, lines, live),
                pages=LogPages(tests, lines),
                cancellation=Cancellation(tests, live, clock),
                retry=Retry(tests, clock),
                places=places,
            ),
            queue=QueueRpc(QueueStatus(line, Slots(database), clock)),
            packages=PackageRpc(
                packages,
                clock,
                generation=Generation(tests, packages, arrivals, clock, has_bucket=bool(settings.aws_bucket)),
                listing=PackageListing(packages, clock),
                links=Links(opening, clock, lives=timedelta(seconds=settings.gateway_link_s)),
            ),
            health=probe,
        )
        health.add("mongodb", lambda: check(database))
        health.live = live

        stack.push_async_callback(server.stop, None)
        health.port = listen(server, settings)
        await stack.enter_async_context(bus.connected())
        await stack.enter_async_context(relay.running(tests))
        await stack.enter_async_context(package_relay.running(packages))
        stack.push_async_callback(syntax.aclose)
        await syntax.warm()
        await probe.look()
        await stack.enter_async_context(live.running())
        await stack.enter_async_context(arrivals.running())
        # At the end streams are sent elsewhere, then calls under way have a moment to finish.
        stack.push_async_callback(server.stop, settings.gateway_drain_s)
        stack.callback(live.close)
        stack.callback(arrivals.close)
        await stack.enter_async_context(background(every(LOOK_S, "readiness", probe.look)))
        await server.start()
        yield health
        health.draining = True
        await probe.close()
