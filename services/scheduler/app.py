"""Constructs the scheduler and wires it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from services.scheduler.admit import Admission
from services.scheduler.dispatch import RECORD_S, Dispatch
from services.scheduler.figures import publish_figures
from services.scheduler.handlers import on_nudge, subscribe
from services.scheduler.settings import SchedulerSettings
from services.scheduler.shares import Shares
from services.scheduler.sweep import Sweep
from services.scheduler.withdraw import Withdrawal
from shared.background import background, every
from shared.bus.connect import Bus
from shared.bus.pulse import beating
from shared.bus.relay import Relay
from shared.clock import SystemClock
from shared.store.connect import check, connected, provision
from shared.store.executions import Executions
from shared.store.limits import UserLimitsStore
from shared.store.queue import Queue
from shared.store.slots import Slots
from shared.telemetry.health import Health
from shared.telemetry.notes import speaking_for


@asynccontextmanager
async def running(settings: SchedulerSettings) -> AsyncIterator[Health]:
    """The scheduler at work; drained at the end."""
    health = Health("scheduler")
    async with AsyncExitStack() as stack:
        stack.enter_context(speaking_for(health.service))
        database = await stack.enter_async_context(
            connected(settings.mongo_url.get_secret_value(), settings.mongo_database, service="scheduler")
        )
        await provision(database)
        clock = SystemClock()
        bus = Bus.of(settings, "scheduler")
        relay = Relay(bus, clock, interval_s=settings.sweep_interval_s)
        tests = Executions(database, relay.tell)
        line = Queue(database)
        slots = Slots(database)
        await slots.ensure(settings.scheduler_capacity)
        shares = Shares(UserLimitsStore(database), max_running=settings.scheduler_max_running)
        await shares.begin()

        dispatch = Dispatch(tests, line, slots, clock, shares=shares)
        admission = Admission(tests, line, clock, shares=shares, wake=dispatch.wake)
        withdrawal = Withdrawal(tests, line, clock)
        sweep = Sweep(
            tests,
            line,
            slots,
            clock,
            admission=admission,
            dispatch=dispatch,
            withdrawal=withdrawal,
            shares=shares,
            silence=timedelta(seconds=settings.scheduler_silence_s),
        )
        subscribe(bus, tests=tests, admission=admission, dispatch=dispatch, withdrawal=withdrawal)
        nudged = on_nudge(shares, dispatch)

        health.add("mongodb", lambda: check(database))
        health.add("nats", bus.check)
        await stack.enter_async_context(bus.connected())
        await stack.enter_async_context(beating(bus, health, instance=settings.instance, clock=clock))
        await bus.when_nudged(nudged)
        await stack.enter_async_context(relay.running(tests))
        await stack.enter_async_context(
            background(
                dispatch.run(settings.sweep_interval_s),
                every(RECORD_S, "queue_record", dispatch.record),
                every(settings.sweep_interval_s, "scheduler_sweep", sweep.sweep),
                every(settings.sweep_interval_s, "queue_figures", lambda: publish_figures(line, slots, clock)),
            )
        )
        await stack.enter_async_context(bus.consuming())
        health.starting = False
        yield health
        health.draining = True
