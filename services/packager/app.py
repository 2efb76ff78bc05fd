"""Constructs the packager and wires it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial

import structlog

from services.packager.bucket import Bucket
from services.packager.content.provenance import Sign
from services.packager.expire import Expiry
from services.packager.handlers import subscribe
from services.packager.pack import Pack
from services.packager.ports import Press
from services.packager.press import pressing
from services.packager.settings import PackagerSettings
from shared.aws.kms import KmsKeys
from shared.aws.opening import OpenAws, Opening, open_aws
from shared.background import background, every
from shared.bus.connect import Bus
from shared.bus.pulse import beating
from shared.bus.relay import Relay
from shared.clock import SystemClock
from shared.settings import BadEnvironment
from shared.store.connect import check, connected, provision
from shared.store.executions import Executions
from shared.store.packages import Packages
from shared.store.projects import Projects
from shared.store.sealing import Seals
from shared.telemetry.health import Health
from shared.telemetry.notes import speaking_for

log = structlog.get_logger()

FOLDER = "packages/"


@asynccontextmanager
async def running(
    settings: PackagerSettings, *, aws: OpenAws = open_aws, press: Press | None = None
) -> AsyncIterator[Health]:
    """The packager at work; drained at the end. AWS is opened by `aws` when the first package needs it.

    Raises BadEnvironment: unsigned packages of an operator who wants signed ones are worse than none."""
    health = Health("packager")
    sign = _signature(settings)
    async with AsyncExitStack() as stack:
        stack.enter_context(speaking_for(health.service))
        database = await stack.enter_async_context(
            connected(settings.mongo_url.get_secret_value(), settings.mongo_database, service="packager")
        )
        await provision(database)
        clock = SystemClock()
        bus = Bus.of(settings, "packager")
        relay = Relay(bus, clock, interval_s=settings.sweep_interval_s)
        packages = Packages(database, relay.tell)
        opening = Opening(settings, aws)
        stack.callback(opening.close)
        ttl = timedelta(hours=settings.packager_ttl_h)
        folder = settings.aws_prefix + FOLDER
        bucket = Bucket(opening, folder=folder, ttl=ttl)
        pack = Pack(
            packages,
            Executions(database, lambda _: None, Seals.of(settings, partial(KmsKeys, opening))),  # it tells nothing
            Projects(database),
            bucket.open,
            press or pressing(sign),
            clock,
            owner=settings.instance,
            folder=folder,
            lease=timedelta(seconds=settings.packager_lease_s),
            ttl=ttl,
            give_up=timedelta(seconds=settings.packager_give_up_s),
            parallel=settings.packager_parallel,
        )
        expiry = Expiry(packages, bucket.open, clock)
        subscribe(bus, pack)

        health.add("mongodb", lambda: check(database))
        health.add("nats", bus.check)
        await stack.enter_async_context(bus.connected())
        await stack.enter_async_context(beating(bus, health, instance=settings.instance, clock=clock))
        await stack.enter_async_context(relay.running(packages))
        await stack.enter_async_context(
            background(
                every(settings.packager_lease_s / 3, "claim_renewal", pack.prolong),
                every(settings.sweep_interval_s, "package_sweep", pack.sweep),
                every(settings.packager_expiry_interval_s, "package_expiry", expiry.sweep),
            )
        )
        await stack.enter_async_context(bus.consuming())
        health.starting = False
        yield health
        health.draining = True


def _signature(settings: PackagerSettings) -> Sign | None:
    if settings.packager_signing_key is None:
        return None
    from services.packager.signing import BadSigningKey, SigningKey  # an installation without a key needs none of it

    try:
        key = SigningKey.read(settings.packager_signing_key)
    except BadSigningKey as error:
        raise BadEnvironment(f"ASSAY_PACKAGER_SIGNING_KEY: {error}") from None
    log.info("packages_signed", key_id=key.key_id)
    return key.envelope
