"""A packager in this process, an S3 that is real enough, and packages as a client asks for them."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from google.protobuf.duration_pb2 import Duration
from pydantic import SecretStr

from assay.v1 import package_service_pb2 as pb
from services.packager.app import running
from services.packager.settings import PackagerSettings
from shared.aws.connect import Aws
from shared.aws.objects import Objects
from shared.aws.opening import OpenAws, open_aws
from shared.aws.settings import AwsSettings
from shared.ids import PackageId
from shared.store.package_documents import Package
from shared.store.packages import Packages
from shared.telemetry.health import Health
from tests.support.gateway import Client, Stage, staged
from tests.support.servers import AWS_KEY, RunningServer

READY, GENERATING, FAILED, EXPIRED = (
    pb.PACKAGE_STATE_READY,
    pb.PACKAGE_STATE_GENERATING,
    pb.PACKAGE_STATE_FAILED,
    pb.PACKAGE_STATE_EXPIRED,
)
open_emulator: OpenAws = partial(open_aws, key=AWS_KEY)


def aws_settings(emulator: RunningServer, bucket: str) -> AwsSettings:
    return AwsSettings(aws_endpoint_url=emulator.url, aws_bucket=bucket)


async def new_bucket(emulator: RunningServer) -> tuple[Aws, Objects]:
    """A bucket that no other test has, and the way to it."""
    aws = await open_emulator(aws_settings(emulator, f"assay-{uuid.uuid4().hex[:12]}"))
    objects = Objects(aws, aws.settings.aws_bucket)
    await objects.make_bucket()
    return aws, objects


@dataclass
class Shop:
    """A gateway and its store; packagers come and go."""

    stage: Stage
    nats_url: str
    mongo_url: str
    database: str
    emulator: RunningServer
    aws: Aws
    objects: Objects

    def packager(self, instance: str = "one", **more: Any) -> AbstractAsyncContextManager[Health]:
        press, values = more.pop("press", None), self.settings(instance, **more)
        values |= {name: SecretStr(values[name]) for name in ("nats_url", "mongo_url")}
        return running(PackagerSettings(**values), aws=open_emulator, press=press)

    def settings(self, instance: str = "one", **more: Any) -> dict[str, Any]:
        return {
            "nats_url": self.nats_url,
            "mongo_url": self.mongo_url,
            "mongo_database": self.database,
            "instance": f"packager-{instance}",
            "sweep_interval_s": 0.2,
            "aws_endpoint_url": self.emulator.url,
            "aws_bucket": self.objects.bucket,
            **more,
        }

    async def completed(self, client: Client, **spec: Any) -> str:
        """A test that passed."""
        test = await client.submit(**spec)
        await self.stage.others.started(test.id)
        await self.stage.others.completed(test.id)
        return str(test.id)

    async def stored(self, package_id: str) -> Package:
        found = await Packages(self.stage.others.database, lambda _: None).get(PackageId(package_id))
        assert found
        return found

    async def keys(self) -> list[str]:
        listed = await asyncio.to_thread(self.aws.s3.list_objects_v2, Bucket=self.objects.bucket)
        return [one["Key"] for one in listed.get("Contents", [])]


@asynccontextmanager
async def shop(
    nats_url: str, mongo_url: str, database: str, emulator: RunningServer, **more: Any
) -> AsyncIterator[Shop]:
    aws, objects = await new_bucket(emulator)
    values = {"aws_endpoint_url": emulator.url, "aws_bucket": objects.bucket, **more}
    try:
        async with staged(nats_url, mongo_url, database, aws=open_emulator, **values) as stage:
            yield Shop(stage, nats_url, mongo_url, database, emulator, aws, objects)
    finally:
        aws.close()


async def generate(client: Client, test_id: str, *, wait_s: float = 20.0, request_id: str = "", **options: Any) -> Any:
    request = pb.GeneratePackageRequest(
        test_id=test_id,
        options=pb.PackageOptions(**options),
        request_id=request_id,
        wait=Duration(seconds=int(wait_s), nanos=int(wait_s % 1 * 1e9)) if wait_s else None,
    )
    return await client.call("GeneratePackage", request)


async def get(client: Client, package_id: str, *, wait_s: float = 0.0) -> Any:
    wait = Duration(seconds=int(wait_s), nanos=int(wait_s % 1 * 1e9)) if wait_s else None
    return await client.call("GetPackage", pb.GetPackageRequest(package_id=package_id, wait=wait))


async def fetched(url: str) -> bytes:
    """What the link leads to."""

    def read() -> bytes:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return bytes(answer.read())

    return await asyncio.to_thread(read)


async def status_of_link(url: str) -> int:
    try:
        await fetched(url)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    return 200
