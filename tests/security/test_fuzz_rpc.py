"""Every method of the API with messages that nobody would write, over gRPC, against a gateway in a process of its own:
each call ends in time and with a status that says whose fault it is, and nothing breaks in the log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assay.v1 import (
    account_service_pb2,
    admin_service_pb2,
    package_service_pb2,
    queue_service_pb2,
    test_pb2,
    test_service_pb2,
)
from shared.ids import UserId
from shared.store.connect import connected, provision
from shared.store.keys import ApiKeys, new_secret
from tests.support.fuzzing import how, share
from tests.support.gateway import CODE
from tests.support.servers import free_port, in_own_loop
from tests.support.wild_messages import Known, mangled, messages

Code = grpc.StatusCode
METHODS: dict[str, MethodDescriptor] = {
    f"/{service.full_name}/{method.name}": method
    for module in (test_service_pb2, queue_service_pb2, package_service_pb2, account_service_pb2, admin_service_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
SLICE = 400
"""Inputs in `make test`, always the same ones."""
EACH = max(1, share(0.03, slice_of=SLICE) // len(METHODS))
FINE = {
    *(Code.OK, Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.PERMISSION_DENIED, Code.ALREADY_EXISTS),
    *(Code.FAILED_PRECONDITION, Code.RESOURCE_EXHAUSTED, Code.OUT_OF_RANGE),
}
HANGS_AFTER_S = 30.0
LOOKS_S = 0.3
"""So long a stream is read that has no end."""
FUZZ = settings(**how(EACH))


class Gateway:
    """A gateway in a process of its own, and what it knows."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], output: Path, keys: dict[str, str]) -> None:
        self.process = process
        self.output = output
        self.keys = keys
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.known: Known = {}
        self._read = 0

    def metadata(self, user: str) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.keys[user]}"),)

    def complaints(self) -> list[str]:
        """What was logged since the last time and should not have been."""
        assert self.process.poll() is None, "the gateway has died"
        text = self.output.read_text("utf-8")
        lines, self._read = text[self._read :].splitlines(), len(text)
        return [each for each in lines if _is_complaint(each)]


def _is_complaint(line: str) -> bool:
    try:
        entry = json.loads(line)
    except ValueError:
        return True  # no log line at all: a traceback, or a library that speaks
    return entry.get("level") in {"error", "critical"} or "exception" in entry


@pytest.fixture(scope="module")
def gateway(nats_url: str, mongo_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    database, port = f"assay_fuzz_{os.getpid()}", free_port()
    keys = in_own_loop(_prepared(mongo_url, database))
    output = tmp_path_factory.mktemp("fuzz") / "gateway.log"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(sys.path),
        "ASSAY_NATS_URL": nats_url,
        "ASSAY_MONGO_URL": mongo_url,
        "ASSAY_MONGO_DATABASE": database,
        "ASSAY_GATEWAY_PORT": str(port),
        "ASSAY_HEALTH_HOST": "127.0.0.1",
        "ASSAY_HEALTH_PORT": "0",
        "ASSAY_GATEWAY_SUBMISSIONS_PER_HOUR": "0",
        "ASSAY_GATEWAY_MAX_PENDING": "0",
        "ASSAY_AWS_BUCKET": "bucket",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_EC2_METADATA_DISABLED": "true",
        "ASSAY_AWS_REGION": "eu-central-1",
        "ASSAY_AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}",
    }
    with output.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.gateway"], env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        found = Gateway(port, process, output, keys)
        grpc.channel_ready_future(found.channel).result(timeout=60)
        found.known = _known(found)
        yield found
        found.channel.close()
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        in_own_loop(_dropped(mongo_url, database))


async def _prepared(url: str, name: str) -> dict[str, str]:
    keys = {"alice": new_secret(), "root": new_secret()}
    async with connected(url, name, service="test") as database:
        await provision(database)
        for user, secret in keys.items():
            role = "admin" if user == "root" else "user"
            await ApiKeys(database).add(secret, user=UserId(user), role=role, now=datetime.now(UTC))
    return keys


async def _dropped(url: str, name: str) -> None:
    async with connected(url, name, service="test") as database:
        await database.client.drop_database(name)


def _known(gateway: Gateway) -> Known:
    """Tests, one of which has ended, and values that mean something in some field."""
    submit = gateway.channel.unary_unary(
        "/assay.v1.TestService/SubmitTest",
        test_service_pb2.SubmitTestRequest.SerializeToString,
        test_service_pb2.SubmitTestResponse.FromString,
    )
    spec = test_pb2.TestSpec(agent_code=CODE, query="why", labels={"team": "a"})
    ids = [
        submit(test_service_pb2.SubmitTestRequest(spec=spec), metadata=gateway.metadata("alice")).test.id
        for _ in range(3)
    ]
    users = ["bob", "carol"]  # not those who call: their keys would be revoked, and rightly so
    return {
        "test_id": ids,
        "test_ids": ids,
        "package_id": ["pkg_" + "0" * 32],
        "key_id": ["key_1", "key_" + "0" * 12],
        "letter_id": ["1", "0", "-1", "99999999999999999999", "1" * 30],
        "user_id": users,
        "owner_id": users,
        "agent_id": ["agent", "my-agent"],
        "agent_code": [CODE, "def run(:", "import os\n" * 50, "# -*- coding: rot13 -*-\n" + CODE, "\ufeff" + CODE],
        "requirements": ["httpx>=0.27", "numpy==1.26.*", 'x; python_version < "4"', "a[b,c]~=1.0 --hash=sha256:0"],
        "entrypoint": ["agent:run", "run", "agent:a.b", ":", "a:b:c"],
        "query": ["why", '{"a": 1}', "[" * 5_000],
        "request_id": ["a", "b"],
        "path": ["a.txt", "agent.py"],
        "paths": ["max_running", "submissions_per_hour", "weight"],
        "label_key": ["team"],
        "text": ["line", "a b", "("],
        "page_token": ["AaIFHiZweJO9Xk4bTs7NbtaYWSeGCSTT", "A" * 44, "====", "AA"],
        "digest": ["0" * 64],
        "service": ["gateway", "scheduler"],
        "key": ["team", "A", "a-b", "PATH"],
        "value": ["", "a"],
    }


def _call(gateway: Gateway, path: str, data: bytes, metadata: tuple[tuple[str, str], ...]) -> grpc.StatusCode:
    method = METHODS[path]
    try:
        if method.client_streaming:
            gateway.channel.stream_unary(path, None, None)(iter([data]), metadata=metadata, timeout=HANGS_AFTER_S)
        elif method.server_streaming:
            for _ in gateway.channel.unary_stream(path, None, None)(data, metadata=metadata, timeout=LOOKS_S):
                pass
        else:
            gateway.channel.unary_unary(path, None, None)(data, metadata=metadata, timeout=HANGS_AFTER_S)
    except grpc.RpcError as error:
        code: Any = error
        return code.code()  # type: ignore[no-any-return]
    return Code.OK


def _without_long_waits(message: Any) -> Any:
    """What is there to wait for minutes would."""
    if "wait" in message.DESCRIPTOR.fields_by_name and 0 < message.wait.seconds <= 1_000:
        message.wait.seconds = 0
    return message


@pytest.mark.parametrize("path", METHODS, ids=[method.name for method in METHODS.values()])
def test_whatever_is_sent_is_answered_in_time_and_never_breaks_the_gateway(gateway: Gateway, path: str) -> None:
    method = METHODS[path]
    fine = FINE | {Code.DEADLINE_EXCEEDED} if method.server_streaming else FINE
    valid = messages(method.input_type, gateway.known).map(_without_long_waits)

    @FUZZ
    @given(
        data=st.one_of(valid.map(lambda message: message.SerializeToString(deterministic=True)), mangled(valid)),
        user=st.sampled_from(("alice", "root")),
    )
    @example(data=b"", user="root")
    def fuzz(data: bytes, user: str) -> None:
        code = _call(gateway, path, data, gateway.metadata(user))
        assert code in fine, (code, data[:200])

    fuzz()
    assert gateway.complaints() == []


HEADERS = ("authorization", "traceparent", "user-agent", "x-assay-client", "grpc-timeout-x", "x-bin-not")


def test_whatever_stands_in_the_headers_is_answered(gateway: Gateway) -> None:
    path = "/assay.v1.QueueService/GetQueueStatus"
    visible = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=200)
    shown = st.one_of(visible, visible.map(lambda text: f"Bearer {text}"), st.just("Bearer a.b.c"), st.just("Bearer "))

    @FUZZ
    @given(authorization=shown, others=st.lists(st.tuples(st.sampled_from(HEADERS), visible), max_size=4))
    def fuzz(authorization: str, others: list[tuple[str, str]]) -> None:
        code = _call(gateway, path, b"", (("authorization", authorization), *others))
        assert code in {Code.UNAUTHENTICATED, Code.RESOURCE_EXHAUSTED}, code

    fuzz()
    assert gateway.complaints() == []
