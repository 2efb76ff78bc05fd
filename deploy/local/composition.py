"""The five services of local mode, constructed from where its servers and folders are.

Imported late and on purpose: reading this module loads every service, which takes about as long as the servers need
to start. Must not know how the servers were started.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from pydantic import SecretStr

from deploy.local.children import Backing
from deploy.local.emulator import BUCKET, Emulator
from deploy.local.side_by_side import side_by_side
from services.gateway.app import running as gateway
from services.gateway.settings import GatewaySettings
from services.logstreamer.app import running as logstreamer
from services.logstreamer.settings import LogstreamerSettings
from services.orchestrator.app import running as orchestrator
from services.orchestrator.settings import OrchestratorSettings
from services.packager.app import running as packager
from services.packager.settings import PackagerSettings
from services.scheduler.app import running as scheduler
from services.scheduler.settings import SchedulerSettings
from shared.advisories import CLOSED_BY_RIGHTS
from shared.aws.opening import OpenAws, open_aws
from shared.bus.connect import Bus
from shared.clock import SystemClock
from shared.ids import UserId
from shared.settings import CommonSettings
from shared.store.backfill import backfill
from shared.store.connect import connected, provision
from shared.store.keys import ApiKeys
from shared.telemetry.health import Health, health_port

LOOPBACK = "127.0.0.1"
INSTANCE = "local"  # the same at every start, so that tasks which outlived the last one are ours at once
DEVELOPER = UserId("dev")


@dataclass(frozen=True, slots=True)
class Place:
    """Where local mode is: its data and its ports."""

    folder: Path
    gateway_port: int
    health_port: int
    socket: Path | None = None


class _Common(TypedDict):
    nats_url: SecretStr
    nats_closed_holes: tuple[str, ...]
    mongo_url: SecretStr
    instance: str


class _Bucket(TypedDict):
    aws_bucket: str


@asynccontextmanager
async def all_services(backing: Backing, place: Place, emulator: Emulator, *, api_key: str) -> AsyncIterator[None]:
    """All five at work, with one health port for all of them and the developer's key in the store."""
    await asyncio.gather(_let_developer_in(backing, api_key), _make_streams(backing))
    # The gateway is inside: nothing is accepted before everything is there, and nothing after it goes.
    async with (
        emulator.running(),
        side_by_side(_workers(backing, place, emulator)) as workers,
        _gateway(backing, place, emulator) as front,
        health_port([front, *workers], host=LOOPBACK, port=place.health_port),
    ):
        yield


def _workers(backing: Backing, place: Place, emulator: Emulator) -> list[AbstractAsyncContextManager[Health]]:
    tasks = os.environ.get("ASSAY_PROCESS_ROOT")
    return [
        orchestrator(
            OrchestratorSettings(
                **_common(backing, "orchestrator"),
                **_sandbox(),
                process_root=Path(tasks) if tasks else place.folder / "tasks",
            )
        ),
        logstreamer(LogstreamerSettings(**_common(backing, "logstreamer"))),
        scheduler(SchedulerSettings(**_common(backing, "scheduler"))),
        packager(PackagerSettings(**_common(backing, "packager"), **_bucket()), aws=_aws(emulator)),
    ]


def _gateway(backing: Backing, place: Place, emulator: Emulator) -> AbstractAsyncContextManager[Health]:
    return gateway(
        GatewaySettings(
            **_common(backing, "gateway"),
            **_bucket(),
            **_limits(),
            **_reflection(),
            gateway_host=LOOPBACK,
            gateway_port=place.gateway_port,
            gateway_socket=place.socket,
        ),
        aws=_aws(emulator),
    )


def _common(backing: Backing, service: str) -> _Common:
    nats_url = backing.nats_urls.get(service, backing.nats_url)
    return _Common(
        nats_url=SecretStr(nats_url),
        nats_closed_holes=_closed_holes(backing),
        mongo_url=SecretStr(backing.mongo_url),
        instance=INSTANCE,
    )


def _closed_holes(backing: Backing) -> tuple[str, ...]:
    """Of a server of our own we know its accounts; of another one its operator has to say."""
    return tuple(sorted(CLOSED_BY_RIGHTS)) if backing.nats_urls else CommonSettings().nats_closed_holes


def _bucket() -> _Bucket:
    """The emulator's bucket, unless a bucket is given."""
    return {"aws_bucket": os.environ.get("ASSAY_AWS_BUCKET", BUCKET)}


def _limits() -> dict[str, Any]:
    """None where nobody else is there to be protected from the developer, unless they are given."""
    return _unless_given({"gateway_submissions_per_hour": 0, "gateway_max_pending": 0})


def _sandbox() -> dict[str, Any]:
    """As much of a sandbox as this machine has, and its idle processors: the agents are the developer's own."""
    return _unless_given({"process_isolation": "auto", "process_cpu_quota": False})


def _unless_given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if f"ASSAY_{name.upper()}" not in os.environ}


def _reflection() -> dict[str, Any]:
    """Tools may ask what the API is, as the examples of docs/api.md do, unless it is said otherwise."""
    return _unless_given({"gateway_reflection": True})


def _short_audit() -> dict[str, Any]:
    """A month, unless it is given: the developer is an admin, who looks at everybody's lists all day."""
    return {} if "ASSAY_GATEWAY_AUDIT_KEEP_DAYS" in os.environ else {"gateway_audit_keep_days": 30}


def _aws(emulator: Emulator) -> OpenAws:
    """AWS where a bucket or an address is given; else the emulator, which is started when it is first needed."""
    given = os.environ.get("ASSAY_AWS_BUCKET") or os.environ.get("ASSAY_AWS_ENDPOINT_URL")
    return open_aws if given else emulator.open


async def _let_developer_in(backing: Backing, api_key: str) -> None:
    async with connected(backing.mongo_url, CommonSettings().mongo_database, service="local") as database:
        await provision(database)
        await backfill(database, SystemClock().now())
        await ApiKeys(database).add(api_key, user=DEVELOPER, role="admin", now=SystemClock().now())


async def _make_streams(backing: Backing) -> None:
    """As `assay-admin provision` does: the users of the services may not change a stream of an earlier version."""
    replicas, closed = CommonSettings().stream_replicas, frozenset(_closed_holes(backing))
    async with Bus(backing.nats_url, service="admin", replicas=replicas, closed_holes=closed).connected():
        pass
