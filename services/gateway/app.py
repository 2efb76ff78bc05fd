"""Constructs the gateway and wires it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial

from services.gateway.account import Accounts
from services.gateway.admin.capacity import CapacityControl
from services.gateway.admin.costs import CostReport
from services.gateway.admin.keys import KeyControl
from services.gateway.admin.letters import LETTERS_S, LetterDesk
from services.gateway.admin.limits import LimitControl
from services.gateway.admin.usage import UsageReport
from services.gateway.archives.archive import Limits as FileLimits
from services.gateway.archives.download import Downloads
from services.gateway.archives.intake import Intake, Keeping
from services.gateway.audit.listing import AuditListing
from services.gateway.audit.trail import Audit
from services.gateway.authentication import Authentication
from services.gateway.cancel import Cancellation
from services.gateway.entrance import Entrance
from services.gateway.health.cloud import CloudSight
from services.gateway.health.gathering import SystemHealth
from services.gateway.health.reach import OpeningCloud
from services.gateway.health.roster import Roster
from services.gateway.history.agents import Agents
from services.gateway.history.agentstats import AgentStats
from services.gateway.history.archive import Archive
from services.gateway.history.listing import Listing
from services.gateway.interceptors import Edge
from services.gateway.oidc.provider import REFETCH_S
from services.gateway.oidc.tokens import Tokens
from services.gateway.openstreams import LOOK_S as STREAMS_S
from services.gateway.openstreams import OpenStreams
from services.gateway.packages.arrivals import Arrivals
from services.gateway.packages.generate import Generation
from services.gateway.packages.links import Links
from services.gateway.packages.listing import PackageListing
from services.gateway.queue.listing import QueueListing
from services.gateway.queue.places import Places
from services.gateway.queue.status import QueueStatus
from services.gateway.queue.watch import QueueWatch
from services.gateway.rpc.account import AccountRpc
from services.gateway.rpc.admin import AdminRpc
from services.gateway.rpc.health import LOOK_S, HealthRpc
from services.gateway.rpc.packages import PackageRpc
from services.gateway.rpc.queue import QueueRpc
from services.gateway.rpc.tests import TestRpc
from services.gateway.server import SERVICES, build, listen
from services.gateway.settings import GatewaySettings
from services.gateway.streams.changes import Changes
from services.gateway.streams.feed import BusFeed
from services.gateway.streams.live import Live
from services.gateway.streams.logpages import LogPages
from services.gateway.streams.logs import LogStreams
from services.gateway.streams.logsearch import LogSearch
from services.gateway.streams.watch import Watch
from services.gateway.submission.allowances import Allowances
from services.gateway.submission.quota import Quota
from services.gateway.submission.resources import Defaults
from services.gateway.submission.retry import Retry
from services.gateway.submission.submit import Submission
from services.gateway.submission.syntax import SyntaxChecker
from services.gateway.withoutkey import WithoutKey
from services.gateway.wrongkeys import WrongKeys
from shared.aws.kms import KmsKeys
from shared.aws.opening import OpenAws, Opening, open_aws
from shared.background import background, every
from shared.bus.connect import Bus
from shared.bus.dead import DeadLetters
from shared.bus.pulse import ask, beating, hear
from shared.bus.relay import Relay
from shared.clock import SystemClock
from shared.domain.limits import Limits
from shared.store.admissions import Admissions
from shared.store.artifacts import Artifacts
from shared.store.audit import AuditLog
from shared.store.connect import check, connected, provision
from shared.store.counters import Counters
from shared.store.executions import Executions
from shared.store.history import History
from shared.store.keys import ApiKeys
from shared.store.limits import UserLimitsStore
from shared.store.logs import LogChunks
from shared.store.packages import Packages
from shared.store.projects import Projects
from shared.store.queue import Queue
from shared.store.runs import Runs
from shared.store.sealing import Seals
from shared.store.slots import Slots
from shared.telemetry.health import Health
from shared.telemetry.notes import speaking_for


class GatewayHealth(Health):
    """The gateway's health, and what it runs with."""

    def __init__(self) -> None:
        super().__init__("gateway")
        self.port = 0
        """Where it listens: the port of the settings, or the free one that was taken."""
        self.live: Live | None = None


@asynccontextmanager
async def running(  # noqa: PLR0915 - a list of what there is, without a branch
    settings: GatewaySettings, *, aws: OpenAws = open_aws
) -> AsyncIterator[GatewayHealth]:
    """The gateway at work; at the end calls under way are let finish and streams are sent elsewhere.

    AWS is opened by `aws` when the first link is signed."""
    health = GatewayHealth()
    async with AsyncExitStack() as stack:
        stack.enter_context(speaking_for(health.service))
        database = await stack.enter_async_context(
            connected(settings.mongo_url.get_secret_value(), settings.mongo_database, service="gateway")
        )
        await provision(database)
        clock = SystemClock()
        bus = Bus.of(settings, "gateway")
        relay = Relay(bus, clock, interval_s=settings.sweep_interval_s)
        opening = Opening(settings, aws)
        stack.callback(opening.close)
        seals = Seals.of(settings, partial(KmsKeys, opening))
        tests = Executions(database, relay.tell, seals)
        package_relay = Relay(bus, clock, interval_s=settings.sweep_interval_s)
        packages = Packages(database, package_relay.tell)
        audit_relay = Relay(bus, clock, interval_s=settings.sweep_interval_s)
        audit_log = AuditLog(database, audit_relay.tell)
        keep = settings.gateway_audit_keep_days
        audit = Audit(audit_log, clock, keep=timedelta(days=keep) if keep else None)
        past = History(database, seals)
        sums = Counters(database)
        lines = LogChunks(database)
        line = Queue(database)
        slots = Slots(database)
        queue = QueueStatus(line, slots, clock)
        queue_watch = QueueWatch(queue)
        limits = Limits(
            submissions_per_hour=settings.gateway_submissions_per_hour, max_pending=settings.gateway_max_pending
        )
        users = UserLimitsStore(database)
        windows = Admissions(database)
        quota = Quota(windows, Allowances(users, limits))
        letters = LetterDesk(DeadLetters(bus))
        nudge = partial(bus.nudge, "scheduler")
        limit_control = LimitControl(users, quota, clock, defaults=limits, nudge=nudge)
        syntax = SyntaxChecker()
        files = Projects(database)
        intake = Intake(
            files,
            clock,
            Keeping(
                FileLimits("a project", settings.gateway_project_max_files, settings.gateway_project_max_bytes),
                FileLimits("input files", settings.gateway_inputs_max_files, settings.gateway_inputs_max_bytes),
                days=settings.gateway_projects_keep_days,
                most_bytes=settings.gateway_projects_max_mib << 20,
            ),
        )
        feed = BusFeed(bus)
        live = Live(feed, tests, lines, look_s=settings.gateway_look_s)
        changes = Changes(feed, tests)
        arrivals = Arrivals(feed, packages, look_s=settings.gateway_look_s)
        places = Places(line, slots, clock)
        keys = ApiKeys(database)
        authentication = Authentication(keys, clock.now, tokens=Tokens.of(settings, clock.now))
        streams = OpenStreams(authentication, clock.now)
        edge = Edge(
            Entrance(
                authentication,
                WrongKeys(settings.gateway_wrong_keys_per_minute),
                audit,
                most_calls=settings.gateway_max_calls,
                most_of_user=settings.gateway_max_calls_of_user,
            ),
            streams,
            WithoutKey(
                most=settings.gateway_max_calls_without_key,
                most_of_peer=settings.gateway_max_calls_without_key_of_peer,
                limit_s=settings.gateway_without_key_s,
            ),
            message_limit_s=settings.gateway_message_s,
        )
        usage = UsageReport(sums, clock)
        roster = Roster(clock)
        cloud = CloudSight(OpeningCloud(opening))
        probe = HealthRpc(health, SERVICES)
        server = build(
            settings,
            [edge],
            tests=TestRpc(
                tests,
                submission=Submission(
                    tests,
                    quota,
                    intake,
                    syntax,
                    clock,
                    Defaults(settings.gateway_default_timeout_s, settings.gateway_default_memory_mib),
                ),
                intake=intake,
                downloads=Downloads(tests, files, Artifacts(database)),
                listing=Listing(past, sums),
                watch=Watch(tests, live, places),
                changes=changes,
                streams=LogStreams(tests, lines, live),
                pages=LogPages(tests, lines),
                search=LogSearch(tests, lines),
                cancellation=Cancellation(tests, live, clock),
                retry=Retry(tests, quota, intake, clock),
                archive=Archive(tests, past, clock),
                stats=AgentStats(tests, past, sums),
                agents=Agents(sums, Runs(database)),
                places=places,
            ),
            queue=QueueRpc(queue, queue_watch, QueueListing(line, slots, tests, clock)),
            packages=PackageRpc(
                packages,
                clock,
                generation=Generation(tests, packages, intake, arrivals, clock, has_bucket=bool(settings.aws_bucket)),
                listing=PackageListing(packages, clock),
                links=Links(opening, clock, lives=timedelta(seconds=settings.gateway_link_s)),
            ),
            account=AccountRpc(Accounts(keys, limit_control, windows, line, slots, clock)),
            admin=AdminRpc(
                usage=usage,
                costs=CostReport(sums, clock),
                limits=limit_control,
                capacity=CapacityControl(slots, queue, clock, nudge=nudge),
                letters=letters,
                keys=KeyControl(keys, clock, ended=authentication.forget),
                health=SystemHealth(
                    roster,
                    clock,
                    ask=partial(ask, bus),
                    dependencies={"mongodb": lambda: check(database), "nats": bus.check_answers},
                    cloud=cloud,
                    queue=queue,
                    letters=letters.look,
                    packages=packages,
                    usage=usage,
                    bucket=settings.aws_bucket,
                ),
                audit=AuditListing(audit_log),
            ),
            health=probe,
        )
        health.add("mongodb", lambda: check(database))
        health.live = live

        stack.push_async_callback(server.stop, None)
        health.port = listen(server, settings)
        await stack.enter_async_context(bus.connected())
        await hear(bus, roster.hear)
        await stack.enter_async_context(
            beating(bus, health, instance=settings.instance, clock=clock, heard=roster.hear)
        )
        await stack.enter_async_context(cloud.running())
        await stack.enter_async_context(relay.running(tests))
        await stack.enter_async_context(package_relay.running(packages))
        await stack.enter_async_context(audit_relay.running(audit_log))
        stack.push_async_callback(syntax.aclose)
        await syntax.warm()
        await probe.look()
        await letters.begin()
        await stack.enter_async_context(live.running())
        await stack.enter_async_context(changes.running())
        await stack.enter_async_context(arrivals.running())
        await stack.enter_async_context(queue_watch.running())
        # At the end streams are sent elsewhere, then calls under way have a moment to finish.
        stack.push_async_callback(server.stop, settings.gateway_drain_s)
        stack.callback(live.close)
        stack.callback(changes.close)
        stack.callback(arrivals.close)
        stack.callback(queue_watch.close)
        await stack.enter_async_context(
            background(
                every(LOOK_S, "readiness", probe.look),
                every(LETTERS_S, "dead_letters", letters.look),
                every(STREAMS_S, "open_streams", streams.look),
                every(REFETCH_S, "sign_in_keys", authentication.refresh),
            )
        )
        await server.start()
        health.starting = False
        yield health
        health.draining = True
        await probe.close()
