"""What the API refuses: each with the right gRPC code, every bad field named at once, and nothing stored."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest

from assay import (
    AlreadyExists,
    AssayError,
    AsyncAssay,
    InvalidRequest,
    NotFound,
    TestState,
    Unauthenticated,
)
from assay.errors import from_rpc
from assay.retry import NO_RETRY
from assay.v1 import test_pb2, test_service_pb2, test_service_pb2_grpc
from tests.e2e.conftest import key_of
from tests.support.local_mode import LocalMode

CODE = "def run(query):\n    return query\n"

pytestmark = pytest.mark.slow


@pytest.fixture
async def stranger(server: LocalMode) -> AsyncIterator[AsyncAssay]:
    """Another user, without any right of the developer."""
    async with AsyncAssay(server.known["address"], await key_of(server, "stranger")) as client:
        yield client


@pytest.fixture
async def tests(server: LocalMode) -> AsyncIterator[Any]:
    """The API without the SDK."""
    async with grpc.aio.insecure_channel(server.known["address"]) as channel:
        yield test_service_pb2_grpc.TestServiceStub(channel)


@pytest.fixture
def metadata(server: LocalMode) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {server.known['api_key']}"),)


@pytest.mark.parametrize(
    ("spec", "field", "says"),
    [
        ({"agent_code": ""}, "spec.agent_code", "is empty"),
        ({"agent_code": " \n\t"}, "spec.agent_code", "is empty"),
        ({"agent_code": "#" * (256 * 1024 + 1)}, "spec.agent_code", "at most 262144"),
        ({"agent_code": "x = '\0'"}, "spec.agent_code", "NUL"),
        ({"agent_code": "def run(q:\n    return 1"}, "spec.agent_code", "line 1"),
        ({"agent_code": "def run(q):\nreturn 1"}, "spec.agent_code", "line 2"),
        ({"agent_code": "(" * 5000}, "spec.agent_code", "nest"),
        ({"entrypoint": "agent:"}, "spec.entrypoint", "module:name"),
        ({"entrypoint": "os.system('x')"}, "spec.entrypoint", "module:name"),
        ({"query": "q" * (64 * 1024 + 1)}, "spec.query", "64 KiB"),
        ({"requirements": ["--index-url http://elsewhere"]}, "spec.requirements[0]", "--index-url is not taken"),
        ({"requirements": ["six", "-r other.txt"]}, "spec.requirements[1]", "--requirement is not taken"),
        ({"requirements": ["https://elsewhere/x.whl"]}, "spec.requirements[0]", "points to a URL"),
        ({"requirements": ["x @ git+https://elsewhere/x"]}, "spec.requirements[0]", "points to a URL"),
        ({"requirements": ["x @ file:///etc/passwd"]}, "spec.requirements[0]", "points to a URL"),
        ({"requirements": ["./local"]}, "spec.requirements[0]", "is a path"),
        ({"requirements": ["../local.whl"]}, "spec.requirements[0]", "is a path"),
        ({"requirements": ["/abs/local"]}, "spec.requirements[0]", "is a path"),
        ({"requirements": ["six=="]}, "spec.requirements[0]", "PEP 508"),
        ({"requirements": ["six\n--index-url http://elsewhere"]}, "spec.requirements[0]", "line break"),
        ({"requirements": ["six"] * 501}, "spec.requirements", "at most 500"),
        ({"env": {"LD_PRELOAD": "x"}}, 'spec.env["LD_PRELOAD"]', "reserved"),
        ({"env": {"A B": "x"}}, 'spec.env["A B"]', "letters, digits"),
        ({"env": {"A": "x" * 40_000}}, "spec.env", "at most 32768"),
        ({"labels": {"UPPER": "x"}}, 'spec.labels["UPPER"]', "key"),
        ({"priority": 10}, "spec.priority", "0 (last) to 9"),
        ({"resources": {"memory_mib": 1}}, "spec.resources.memory_mib", "from 64"),
        ({"resources": {"cpu": 3.0}}, "spec.resources.cpu", "one of"),
        ({"timeout": {"seconds": 0}}, "spec.timeout", "from 1 s"),
        ({"model": {"provider": "No Such"}}, "spec.model.provider", "lower case"),
        ({"model": {"provider": "x", "base_url": "file:///etc"}}, "spec.model.base_url", "http"),
    ],
    ids=lambda value: None if isinstance(value, dict) else str(value)[:40],
)
async def test_a_bad_field_is_named(tests: Any, metadata: Any, spec: dict[str, Any], field: str, says: str) -> None:
    request = test_service_pb2.SubmitTestRequest(spec=test_pb2.TestSpec(**{"agent_code": CODE, "query": "x", **spec}))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await tests.SubmitTest(request, metadata=metadata, timeout=20)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    error = from_rpc(raised.value)
    assert isinstance(error, InvalidRequest)
    assert [violation.field for violation in error.violations] == [field]
    assert says in error.violations[0].description


async def test_every_bad_field_is_told_at_once_and_nothing_is_stored(stranger: AsyncAssay) -> None:
    with pytest.raises(InvalidRequest) as raised:
        await stranger.submit(
            "", "q" * 70_000, requirements=["-e .", "six"], priority=99, env={"PATH": "/x"}, entrypoint="1"
        )
    assert {violation.field for violation in raised.value.violations} == {
        "spec.agent_code",
        "spec.query",
        "spec.requirements[0]",
        "spec.priority",
        'spec.env["PATH"]',
        "spec.entrypoint",
    }
    assert [test async for test in stranger.list()] == []


async def test_the_largest_valid_submission_is_accepted(client: AsyncAssay) -> None:
    code = CODE + "#" * (256 * 1024 - len(CODE))
    test = await client.submit(
        code, "q" * (64 * 1024), requirements=[f"six # {n}" for n in range(200)], validate_only=True
    )
    assert test.id == ""


async def test_a_request_id_names_one_test(client: AsyncAssay) -> None:
    first = await client.submit(CODE, "one", request_id="the-same")
    assert (await client.submit(CODE, "one", request_id="the-same")).id == first.id
    with pytest.raises(AlreadyExists):
        await client.submit(CODE, "two", request_id="the-same")


CALLS: dict[str, Callable[[AsyncAssay, str], Awaitable[object]]] = {
    "get": lambda client, test_id: client.get(test_id),
    "watch": lambda client, test_id: client.wait(test_id),
    "logs": lambda client, test_id: _all(client, test_id, follow=False),
    "logs -f": lambda client, test_id: _all(client, test_id, follow=True),
    "tail": lambda client, test_id: _all(client, test_id, follow=False, tail=5),
    "cancel": lambda client, test_id: client.cancel(test_id),
}


async def _all(client: AsyncAssay, test_id: str, **options: Any) -> list[Any]:
    return [line async for line in client.logs(test_id, **options)]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("test_id", ["tst_nobody", "x" * 10_000, "../../etc", '{"$ne": null}', "tst_\0"], ids=repr)
async def test_an_unknown_id_is_not_found(client: AsyncAssay, call: str, test_id: str) -> None:
    with pytest.raises(NotFound) as raised:
        await CALLS[call](client, test_id)
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize("call", CALLS)
async def test_another_users_test_is_not_found_and_stays_untouched(
    client: AsyncAssay, stranger: AsyncAssay, call: str
) -> None:
    test = await client.run("import time\ndef run(query):\n    time.sleep(0.2)\n    return query\n", "mine")
    with pytest.raises(NotFound) as theirs:
        await CALLS[call](stranger, test.id)
    with pytest.raises(NotFound) as nobodys:
        await CALLS[call](stranger, "tst_" + "0" * 32)
    assert str(theirs.value).replace(test.id, "") == str(nobodys.value).replace("tst_" + "0" * 32, "")
    assert (await client.get(test.id)).state is TestState.COMPLETED


@pytest.mark.parametrize("token", ["made-up", "AAAA", "x" * 5_000, "é"])
async def test_an_unknown_page_token_is_refused(client: AsyncAssay, token: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        [test async for test in client.list(page_token=token)]
    assert [violation.field for violation in raised.value.violations] == ["page_token"]


async def test_a_page_token_of_another_user_is_refused(client: AsyncAssay, stranger: AsyncAssay) -> None:
    for number in range(2):
        await client.submit(CODE, str(number))
    page = await anext(aiter(client.list(page_size=1).pages()))
    with pytest.raises(InvalidRequest):
        [test async for test in stranger.list(page_size=1, page_token=page.next_page_token)]


@pytest.mark.parametrize(
    "key", ["", "assay_wrong", "Bearer twice", "x" * 5_000], ids=["none", "wrong", "words", "long"]
)
async def test_a_wrong_key_is_unauthenticated(server: LocalMode, key: str) -> None:
    async with grpc.aio.insecure_channel(server.known["address"]) as channel:
        stub: Any = test_service_pb2_grpc.TestServiceStub(channel)
        metadata = (("authorization", f"Bearer {key}"),) if key else ()
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.ListTests(test_service_pb2.ListTestsRequest(), metadata=metadata)
    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert key[:50] not in (raised.value.details() or "") or not key


async def test_the_sdk_without_a_key_says_so(server: LocalMode) -> None:
    async with AsyncAssay(server.known["address"], "nonsense", retry=NO_RETRY) as client:
        with pytest.raises(Unauthenticated):
            await client.queue_status()


@pytest.mark.parametrize("stream", ["WatchTest", "StreamLogs"])
async def test_an_expired_deadline_ends_a_stream_and_nothing_else(
    client: AsyncAssay, tests: Any, metadata: Any, stream: str
) -> None:
    test = await client.submit("import time\ndef run(query):\n    time.sleep(1.5)\n    return query\n", "x")
    watch = test_service_pb2.WatchTestRequest(test_id=test.id)
    follow = test_service_pb2.StreamLogsRequest(test_id=test.id, follow=True)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        async for _ in getattr(tests, stream)(
            watch if stream == "WatchTest" else follow, metadata=metadata, timeout=0.3
        ):
            pass
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert (await client.wait(test.id, timeout=30)).passed


async def test_a_message_that_is_too_large_is_refused_and_the_next_one_works(client: AsyncAssay) -> None:
    with pytest.raises(AssayError) as raised:
        await client.submit("#" * (8 << 20), "x")
    assert raised.value.code == "RESOURCE_EXHAUSTED"
    assert (await client.queue_status()).capacity == 10


async def test_bytes_that_are_no_message_are_refused(server: LocalMode, metadata: Any) -> None:
    async with grpc.aio.insecure_channel(server.known["address"]) as channel:
        raw = channel.unary_unary("/assay.v1.TestService/SubmitTest", None, None)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await raw(b"\xff\xff\xff", metadata=metadata)
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        unknown = channel.unary_unary("/assay.v1.TestService/NoSuchMethod", None, None)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await unknown(b"", metadata=metadata)
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
