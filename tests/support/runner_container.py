"""One container of the runner image with its context and result in the emulator's object store, as a task has them."""

from __future__ import annotations

import hashlib
import json
import textwrap
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3

from tests.support.docker_engine import DockerEngine
from tests.support.emulator import REGION, Emulator

BUCKET = "contexts-and-results"
LIMITS = {"lines": 100_000, "bytes": 52_428_800, "line_bytes": 16_384, "response_bytes": 1_048_576}
HARDENED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
"""What a task definition of ours asks for. The emulator ignores it, so it is tried without its ECS."""


class ObjectStore:
    """The emulator's S3, by a client of the tests' own."""

    def __init__(self, emulator: Emulator) -> None:
        self.client = boto3.client(
            "s3",
            endpoint_url=emulator.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        self.client.create_bucket(Bucket=BUCKET)

    def put(self, key: str, body: bytes) -> str:
        """An address to GET it from."""
        self.client.put_object(Bucket=BUCKET, Key=key, Body=body)
        address: str = self.client.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": key}, 600)
        return address

    def address_to_put(self, key: str) -> str:
        params = {"Bucket": BUCKET, "Key": key, "ContentType": "application/json"}
        address: str = self.client.generate_presigned_url("put_object", params, 600)
        return address

    def get(self, key: str) -> bytes | None:
        try:
            body: bytes = self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        except self.client.exceptions.NoSuchKey:
            return None
        return body


@dataclass
class RunnerContainer:
    """A container that was started."""

    engine: DockerEngine
    store: ObjectStore
    name: str
    nonce: str
    addresses: Sequence[str] = field(repr=False)

    def wait(self, *, within: float = 120) -> int:
        """Its exit code."""
        return int(self.engine.run("wait", self.name, timeout=within).stdout)

    def stop(self, *, grace_s: int = 30) -> None:
        """SIGTERM, and SIGKILL after the grace."""
        self.engine.run("stop", "--time", str(grace_s), self.name)

    def raw_log(self) -> str:
        """What it wrote on both streams."""
        done = self.engine.run("logs", self.name)
        return done.stdout + done.stderr

    def output(self) -> list[dict[str, Any]]:
        """The JSON lines of its standard output."""
        return [json.loads(line) for line in self.engine.run("logs", self.name).stdout.split("\n")[:-1]]

    def texts(self, stream: str = "stdout") -> list[str]:
        return [line["text"] for line in self.output() if line.get("stream") == stream]

    def result(self) -> dict[str, Any]:
        """What it sent."""
        raw = self.store.get(f"results/{self.name}")
        assert raw is not None, self.raw_log()
        result: dict[str, Any] = json.loads(raw.partition(b"\n")[0])
        assert result["nonce"] == self.nonce
        return result

    def left(self) -> bytes:
        """The content of the files that it sent behind its result."""
        return (self.store.get(f"results/{self.name}") or b"").partition(b"\n")[2]

    def answer(self) -> Any:
        result = self.result()
        assert result["outcome"] == "success", (result["code"], result["error"], self.raw_log())
        return result["response"]


@contextmanager
def runner_container(
    engine: DockerEngine,
    store: ObjectStore,
    image: str,
    code: str,
    *,
    requirements: str = "",
    env: Mapping[str, str] | None = None,
    options: Sequence[str] = HARDENED,
    contents: bytes = b"",
    **changes: Any,
) -> Iterator[RunnerContainer]:
    """Runs `code` as an agent. `env` is that of the container; `changes` are fields of the context,
    `contents` is that of the files that go along."""
    name, nonce = f"assay-test-{uuid.uuid4().hex[:12]}", uuid.uuid4().hex
    context = {
        "version": 1,
        "test_id": "tst_1",
        "attempt": 1,
        "nonce": nonce,
        "mode": "all",
        "files": {"agent.py": textwrap.dedent(code), "requirements.txt": requirements},
        "query": "how are you?",
        "timeout_s": 60,
        "limits": LIMITS,
        **changes,
    }
    raw = json.dumps(context).encode() + b"\n" + contents
    addresses = [store.put(f"contexts/{name}", raw), store.address_to_put(f"results/{name}")]
    variables = {
        **(env or {}),
        "ASSAY_CONTEXT_URL": addresses[0],
        "ASSAY_CONTEXT_SHA256": hashlib.sha256(raw).hexdigest(),
        "ASSAY_RESULT_URL": addresses[1],
    }
    given = [word for key, value in variables.items() for word in ("--env", f"{key}={value}")]
    engine.run("run", "--detach", "--name", name, *given, *options, image)
    try:
        yield RunnerContainer(engine, store, name, nonce, addresses)
    finally:
        engine.run("rm", "--force", "--volumes", name, check=False)
