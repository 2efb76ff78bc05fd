"""Deployment packages: from the request to ready, and what a large one takes of memory."""

from __future__ import annotations

import json
import os
import threading
import time
from typing import TYPE_CHECKING, Final, Self

from assay import PackageState
from deploy.local.credentials import load_or_create
from deploy.local.emulator import BUCKET, LOOPBACK
from shared.aws.objects import Objects
from shared.aws.opening import open_aws
from shared.aws.settings import AwsSettings, Key
from tests.bench.figures import Report, percentile
from tests.bench.local import Failed, Local
from tests.bench.processes import memory
from tests.bench.size import Size
from tests.bench.work import AGENT

if TYPE_CHECKING:
    from shared.aws.uploads import Parts

LATENCY: Final = ("package_p50", "package_p99")
MEMORY: Final = "package_memory"
FIGURES: Final = (*LATENCY, MEMORY)
SAMPLE_S: Final = 0.005
PIECE: Final = 1 << 16
MIB: Final = 1 << 20


async def measure(local: Local, size: Size, report: Report) -> None:
    """All of them. The first package is not counted: it starts the S3."""
    took: list[float] = []
    for number in range(size.packages + 1):
        test = await local.ended_well((await local.client.submit(AGENT, f"package {number}")).id)
        begun = time.perf_counter()
        package = await local.client.packages.generate(test.id)
        if package.state is not PackageState.READY:
            raise Failed(f"{package.id} is {package.state}: {package.failure}")
        took.append((time.perf_counter() - begun) * 1000)
    first, *others = took
    for figure, percent in zip(LATENCY, (50, 99), strict=True):
        report.add(figure, percentile(others, percent), n=len(others), first_ms=first)
    if report.wants(MEMORY):
        await _memory(local, size, report)


async def _memory(local: Local, size: Size, report: Report) -> None:
    """What one object adds to the process that writes it, ten times as large as a part and more."""
    credentials = load_or_create(local.folder)
    port = json.loads((local.folder / "ports.json").read_text())["aws"]
    settings = AwsSettings(aws_endpoint_url=f"http://{LOOPBACK}:{port}", aws_bucket=BUCKET)
    aws = await open_aws(settings, Key(credentials.aws_access_key, credentials.aws_secret_key))
    objects = Objects(aws, BUCKET)
    piece = b"x" * PIECE

    def write(sink: Parts) -> None:
        for _ in range(size.package_mib * MIB // PIECE):
            sink.write(piece)

    try:
        await objects.upload("bench/warm", lambda sink: sink.write(piece), content_type="application/zip")
        with Watched() as watched:
            await objects.upload("bench/large", write, content_type="application/zip")
        await objects.delete(["bench/warm", "bench/large"])
    finally:
        aws.close()
    report.add(MEMORY, watched.most, n=1, object_mib=size.package_mib)


class Watched:
    """How much larger this process became while it was watched."""

    def __init__(self) -> None:
        self.most = self._before = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._before = _resident_mib()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(SAMPLE_S):
            self.most = max(self.most, _resident_mib() - self._before)


def _resident_mib() -> float:
    return memory([os.getpid()]).rss
