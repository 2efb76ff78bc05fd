"""Constructs the orchestrator and wires it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial

from services.orchestrator.bookkeeping import Bookkeeping
from services.orchestrator.charges import Charges
from services.orchestrator.contents import Contents
from services.orchestrator.finish import Finish
from services.orchestrator.handlers import subscribe
from services.orchestrator.launch import Launch
from services.orchestrator.outputs import OutputLimits, Outputs
from services.orchestrator.ports import LogLimits
from services.orchestrator.runtimes.choice import open_runtime
from services.orchestrator.settings import OrchestratorSettings
from services.orchestrator.stop import Stop
from services.orchestrator.watch import Watch
from shared.aws.kms import KmsKeys
from shared.aws.opening import Opening
from shared.background import background, every
from shared.bus.connect import Bus
from shared.bus.pulse import beating
from shared.bus.relay import Relay
from shared.clock import SystemClock
from shared.store.artifacts import Artifacts
from shared.store.books import Books
from shared.store.connect import check, connected, provision
from shared.store.executions import Executions
from shared.store.projects import Projects
from shared.store.sealing import Seals
from shared.telemetry.health import Health
from shared.telemetry.notes import speaking_for


@asynccontextmanager
async def running(settings: OrchestratorSettings) -> AsyncIterator[Health]:
    """The orchestrator at work.

    At the end it lets go of its tasks, which run on; it finds them again when it is back."""
    health = Health("orchestrator")
    async with AsyncExitStack() as stack:
        stack.enter_context(speaking_for(health.service))
        database = await stack.enter_async_context(
            connected(settings.mongo_url.get_secret_value(), settings.mongo_database, service="orchestrator")
        )
        await provision(database)
        clock = SystemClock()
        bus = Bus.of(settings, "orchestrator")
        relay = Relay(bus, clock, interval_s=settings.sweep_interval_s)
        opening = Opening(settings)  # for keys of KMS; the runtime has a way of its own
        stack.callback(opening.close)
        tests = Executions(database, relay.tell, Seals.of(settings, partial(KmsKeys, opening)))
        runtime = await open_runtime(settings, clock)
        stack.push_async_callback(runtime.aclose)

        owner = settings.instance
        lease = timedelta(seconds=settings.orchestrator_lease_s)
        charges = Charges()
        limits = OutputLimits(
            files=settings.orchestrator_outputs_max_files,
            size=settings.orchestrator_outputs_max_bytes,
            days=settings.orchestrator_outputs_keep_days,
        )
        outputs = Outputs(Artifacts(database), runtime, clock, limits)
        finish = Finish(tests, runtime, charges, clock, owner=owner, outputs=outputs)
        stop = Stop(tests, runtime, charges, clock, grace=timedelta(seconds=settings.grace_s))
        launch = Launch(
            tests,
            runtime,
            charges,
            finish,
            stop,
            clock,
            owner=owner,
            lease=lease,
            start_limit=timedelta(seconds=settings.orchestrator_start_limit_s),
            default_model=settings.default_model,
            contents=Contents(Projects(database)),
            output_limits=limits,
            log_limits=LogLimits(
                lines=settings.orchestrator_log_max_lines, size=settings.orchestrator_log_max_mib << 20
            ),
        )
        watch = Watch(tests, charges, launch, finish, stop, clock, owner=owner, lease=lease)
        bookkeeping = Bookkeeping(
            Books(database), clock, owner=owner, prices=settings.prices, charged=settings.charged_runtimes
        )
        runtime.watch(watch.hint)
        subscribe(bus, launch=launch, stop=stop, watch=watch)

        health.add("mongodb", lambda: check(database))
        health.add("nats", bus.check)
        await stack.enter_async_context(bus.connected())
        await stack.enter_async_context(beating(bus, health, instance=settings.instance, clock=clock))
        await stack.enter_async_context(relay.running(tests))
        stack.push_async_callback(watch.hand_over)
        await stack.enter_async_context(
            background(
                watch.follow_hints(),
                every(settings.orchestrator_poll_s, "task_round", watch.look),
                every(settings.orchestrator_lease_s / 3, "lease_renewal", watch.renew),
                every(settings.sweep_interval_s, "orchestrator_sweep", watch.sweep),
                every(settings.orchestrator_books_s, "bookkeeping", bookkeeping.round),
                every(runtime.tidy_s, "runtime_tidying", lambda: runtime.tidy(tests.attempts_under_way)),
            )
        )
        await watch.resume()  # while the leases are renewed: it may take longer than one holds
        await stack.enter_async_context(bus.consuming())
        health.starting = False
        yield health
        health.draining = True
