"""Who may call what: every method of the API with every kind of caller. A method without a row here fails.

The methods come from the descriptors of proto/. What belongs to alice is marked, and no answer to somebody else, good
or bad, may hold a mark.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import grpc
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from assay.v1 import account_service_pb2 as account
from assay.v1 import admin_service_pb2 as admin
from assay.v1 import package_service_pb2 as packages
from assay.v1 import queue_service_pb2 as queue
from assay.v1 import test_pb2
from assay.v1 import test_service_pb2 as tests
from shared.ids import UserId
from shared.store.keys import ApiKeys, new_secret
from tests.support.archive_bytes import zipped
from tests.support.gateway import CODE, Client, Stage, line, staged
from tests.support.sign_in import AUDIENCE, SignIn, signing_in

Code = grpc.StatusCode
pytestmark = pytest.mark.asyncio(loop_scope="module")

METHODS = {
    method.name: method
    for module in (tests, queue, packages, account, admin)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
MARK = "canary"
ALICES = ("executions", "packages", "projects")
GLOBALS = ("slots", "meta", "queue", "users")
SILENT_S = 0.5
"""A stream that has said nothing for so long was opened and has nothing to say."""


class World:
    """A gateway, alice and what is hers, others, and a sign-in service."""

    def __init__(self, stage: Stage, callers: dict[str, Client]) -> None:
        self.stage = stage
        self.callers = callers
        self.alice = callers["owner"]

    async def test(self, *, ended: bool = True) -> str:
        """A new test of alice's."""
        test = await self.alice.submit(
            CODE,
            query=f"{MARK} query",
            agent_name=f"{MARK} agent",
            inputs=test_pb2.Archive(zip=zipped({"a.txt": f"{MARK} file"})),
        )
        await self.stage.others.started(test.id)
        await self.stage.others.wrote(test.id, [line(1, f"{MARK} line")])
        if ended:
            await self.stage.others.completed(test.id, f'"{MARK} answer"')
            await self.stage.others.ended_output(test.id, 1)
        return str(test.id)

    async def package(self) -> str:
        request = packages.GeneratePackageRequest(test_id=await self.test())
        return str((await self.alice.call("GeneratePackage", request)).package.id)

    async def key(self) -> str:
        """The id of a new key of alice's."""
        return (
            await ApiKeys(self.stage.others.database).add(
                new_secret(), user=UserId("alice"), role="user", now=datetime.now(UTC)
            )
        ).key_id

    async def everything(self, *, of: str = "") -> Any:
        """What is in the store, or what is of this user and of everybody."""
        found: dict[str, Any] = {}
        for name in (*ALICES, *GLOBALS):
            where = {"user_id": of} if of and name in ALICES else {}
            found[name] = await self._all(name, where, "outbox")  # which empties by itself
        return {**found, "api_keys": await self._all("api_keys", {}, "last_used_at")}

    async def _all(self, name: str, where: dict[str, str], but: str) -> list[Any]:
        return [each async for each in self.stage.others.database[name].find(where, {but: 0}).sort("_id", 1)]


Prepare = Callable[[World], Awaitable[Any]]
Judge = Callable[[Any], bool]


class Row(NamedTuple):
    """One method: how a request for something of alice's is made, and what each caller gets for it."""

    prepare: Prepare
    owner: Code = Code.OK
    other: Code = Code.OK
    admin: Code = Code.OK
    other_gets_nothing: Judge = lambda _: True
    """Of the answer that another user gets, where it is one."""


def of_a_test(make: Callable[..., Message], /, *, ended: bool = True, **more: Any) -> Prepare:
    async def prepare(world: World) -> Message:
        return make(test_id=await world.test(ended=ended), **more)

    return prepare


def of_a_package(kind: Callable[..., Message]) -> Prepare:
    async def prepare(world: World) -> Message:
        return kind(package_id=await world.package())

    return prepare


def plain(kind: Callable[..., Message], **fields: Any) -> Prepare:
    async def prepare(world: World) -> Message:
        await world.test()
        return kind(**fields)

    return prepare


def for_admins(prepare: Prepare, *, admin: Code = Code.OK) -> Row:
    return Row(prepare, Code.PERMISSION_DENIED, Code.PERMISSION_DENIED, admin)


def of_one(prepare: Prepare, *, owner: Code = Code.OK) -> Row:
    return Row(prepare, owner, Code.NOT_FOUND, owner)


async def some_tests(world: World) -> Message:
    return tests.ArchiveTestsRequest(test_ids=[await world.test()])


async def some_key(world: World) -> Message:
    return admin.RevokeApiKeyRequest(key_id=await world.key())


async def files_of_alice(world: World) -> Message:
    """By their digest, which somebody else may have learnt."""
    full = (await world.alice.call("GetTest", tests.GetTestRequest(test_id=await world.test()))).test
    archive = test_pb2.Archive(digest=full.spec.inputs.digest)
    return tests.SubmitTestRequest(spec=test_pb2.TestSpec(agent_code=CODE, inputs=archive))


TABLE: dict[str, Row] = {
    # AccountService
    "GetAccount": Row(plain(account.GetAccountRequest), other_gets_nothing=lambda got: got.user_id != "alice"),
    # TestService
    "SubmitTest": Row(files_of_alice, other=Code.FAILED_PRECONDITION, admin=Code.FAILED_PRECONDITION),
    "UploadArchive": Row(plain(tests.UploadArchiveRequest, data=zipped({"b.txt": "x"}))),
    "DownloadFile": of_one(of_a_test(tests.DownloadFileRequest, kind=tests.FILE_KIND_INPUT, path="a.txt")),
    "GetTest": of_one(of_a_test(tests.GetTestRequest)),
    "ListTests": Row(plain(tests.ListTestsRequest), other_gets_nothing=lambda got: not got.tests),
    "WatchTest": of_one(of_a_test(tests.WatchTestRequest)),
    "StreamLogs": of_one(of_a_test(tests.StreamLogsRequest)),
    "GetLogs": of_one(of_a_test(tests.GetLogsRequest)),
    "SearchLogs": of_one(of_a_test(tests.SearchLogsRequest, text="line")),
    "WatchTests": Row(plain(tests.WatchTestsRequest), other_gets_nothing=lambda got: not got.tests),
    "CancelTest": of_one(of_a_test(tests.CancelTestRequest, ended=False)),
    "RetryTest": of_one(of_a_test(tests.RetryTestRequest)),
    "ArchiveTests": Row(some_tests, other_gets_nothing=lambda got: got.archived_count == 0),
    "GetRetryChain": of_one(of_a_test(tests.GetRetryChainRequest)),
    "GetAgentStats": of_one(of_a_test(tests.GetAgentStatsRequest)),
    "ListAgents": Row(plain(tests.ListAgentsRequest), other_gets_nothing=lambda got: not got.agents),
    # QueueService
    "GetQueueStatus": Row(plain(queue.GetQueueStatusRequest)),
    "WatchQueue": Row(plain(queue.WatchQueueRequest)),
    "ListQueue": Row(plain(queue.ListQueueRequest)),
    # PackageService
    "GeneratePackage": of_one(of_a_test(packages.GeneratePackageRequest)),
    "GetPackage": of_one(of_a_package(packages.GetPackageRequest)),
    "ListPackages": Row(plain(packages.ListPackagesRequest), other_gets_nothing=lambda got: not got.packages),
    "RefreshDownloadUrl": of_one(of_a_package(packages.RefreshDownloadUrlRequest), owner=Code.FAILED_PRECONDITION),
    "TrackDownload": of_one(of_a_package(packages.TrackDownloadRequest)),
    # AdminService
    "GetSystemHealth": for_admins(plain(admin.GetSystemHealthRequest)),
    "GetUsage": for_admins(plain(admin.GetUsageRequest)),
    "GetCostReport": for_admins(plain(admin.GetCostReportRequest)),
    "CreateApiKey": for_admins(plain(admin.CreateApiKeyRequest, user_id="alice", ttl=Duration(seconds=60))),
    "ListApiKeys": for_admins(plain(admin.ListApiKeysRequest)),
    "RevokeApiKey": for_admins(some_key),
    "GetUserLimits": for_admins(plain(admin.GetUserLimitsRequest, user_id="alice")),
    "SetUserLimits": for_admins(
        plain(admin.SetUserLimitsRequest, user_id="alice", overrides=admin.UserLimits(max_running=3))
    ),
    "SetCapacity": for_admins(plain(admin.SetCapacityRequest, capacity=7)),
    "PauseQueue": for_admins(plain(admin.PauseQueueRequest, reason="x")),
    "ResumeQueue": for_admins(plain(admin.ResumeQueueRequest)),
    "ListDeadLetters": for_admins(plain(admin.ListDeadLettersRequest)),
    "ReplayDeadLetter": for_admins(plain(admin.ReplayDeadLetterRequest, all=True)),
    "ListAudit": for_admins(plain(admin.ListAuditRequest)),
}
NAMES_ANOTHER_USER: dict[str, Message] = {
    "ListTests": tests.ListTestsRequest(filter=tests.TestFilter(user_id="alice")),
    "WatchTests": tests.WatchTestsRequest(filter=tests.TestFilter(user_id="alice")),
    "ListAgents": tests.ListAgentsRequest(user_id="alice"),
    "GetAgentStats": tests.GetAgentStatsRequest(agent_id="canary-agent", user_id="alice"),
    "ArchiveTests": tests.ArchiveTestsRequest(older_than=Duration(seconds=1), filter=tests.TestFilter(user_id="alice")),
}
EVERYBODY = {"ArchiveTests": tests.ArchiveTestsRequest(older_than=Duration(seconds=1), everybody=True)}
STRANGERS = ("no key", "wrong key", "revoked key", "expired key", "wrong token", "expired token")
OTHERS = ("other user", "other user by token")
ADMINS = ("admin", "admin by token")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(nats_url: str, mongo_url: str) -> AsyncIterator[World]:
    database = f"assay_test_{uuid.uuid4().hex[:12]}"
    options: dict[str, Any] = {
        "aws_bucket": "bucket",
        "aws_region": "eu-central-1",
        "gateway_wrong_keys_per_minute": 10_000,
        "gateway_oidc_audience": AUDIENCE,
        "gateway_oidc_admin_claim": "roles",
        "gateway_oidc_admin_value": "chief",
    }
    async with (
        signing_in() as service,
        staged(nats_url, mongo_url, database, gateway_oidc_issuer=service.issuer, **options) as stage,
    ):
        yield World(stage, await callers(stage, service))
        await stage.others.database.client.drop_database(database)


async def callers(stage: Stage, service: SignIn) -> dict[str, Client]:
    alice = await stage.client("alice")
    revoked = await stage.client("alice")
    keys = ApiKeys(stage.others.database)
    found = await keys.find(revoked.key)
    assert found is not None
    await keys.revoke(found.key_id, datetime.now(UTC))

    def by(key: str, user: str = "alice") -> Client:
        return Client(alice.channel, UserId(user), key)

    return {
        "owner": alice,
        "no key": by(""),
        "wrong key": by(new_secret()),
        "revoked key": revoked,
        "expired key": await stage.client("alice", expires_at=datetime.now(UTC) - timedelta(seconds=1)),
        "wrong token": by(service.token(sub="alice", aud="somebody else")),
        "expired token": by(service.token(sub="alice", exp=1_000_000_000)),
        "other user": await stage.client("bob"),
        "other user by token": by(service.token(sub="carol"), "carol"),
        "admin": await stage.client("root", role="admin"),
        "admin by token": by(service.token(sub="chief", roles=["chief"]), "chief"),
    }


@dataclass(frozen=True)
class Outcome:
    """How a call ended."""

    code: Code
    answer: Any = None
    said: bytes = b""
    """Everything that came back, good or bad."""


async def called(client: Client, name: str, request: Message, expected: Code = Code.OK) -> Outcome:
    """A refusal that is expected is waited for; a stream that may be silent is not."""
    method = METHODS[name]
    metadata = client.metadata if client.key else ()
    stub = getattr(client._stub(name), name)
    try:
        if method.client_streaming:
            answer = await stub(iter([request]), metadata=metadata, timeout=20)
        elif method.server_streaming:
            answer = await _first(stub(request, metadata=metadata, timeout=20), SILENT_S if expected is Code.OK else 15)
        else:
            answer = await stub(request, metadata=metadata, timeout=20)
    except grpc.aio.AioRpcError as error:
        trailers: Any = error.trailing_metadata() or ()
        said = b"".join(value if isinstance(value, bytes) else value.encode() for _, value in trailers)
        return Outcome(error.code(), said=said + str(error.details()).encode())
    return Outcome(Code.OK, answer, answer.SerializeToString() if answer is not None else b"")


async def _first(stream: Any, silent_s: float) -> Any:
    read = asyncio.ensure_future(stream.read())
    done, _ = await asyncio.wait([read], timeout=silent_s)
    if not done:
        stream.cancel()
        await asyncio.wait([read])
        return None
    found = await read
    stream.cancel()
    return None if found is grpc.aio.EOF else found  # type: ignore[attr-defined]  # the stubs do not know it


async def test_every_method_of_the_api_has_a_row() -> None:
    assert set(TABLE) == set(METHODS)


@pytest.mark.parametrize("name", METHODS)
async def test_each_caller_gets_what_the_table_says(world: World, name: str) -> None:
    row = TABLE[name]
    request = await row.prepare(world)
    before = await world.everything()
    for caller in STRANGERS:
        outcome = await called(world.callers[caller], name, request, Code.UNAUTHENTICATED)
        assert outcome.code is Code.UNAUTHENTICATED, caller
        assert MARK.encode() not in outcome.said, caller
    assert await world.everything() == before
    before = await world.everything(of="alice")
    for caller in OTHERS:
        outcome = await called(world.callers[caller], name, request, row.other)
        assert outcome.code is row.other, (caller, outcome.said)
        assert MARK.encode() not in outcome.said, caller
        assert outcome.answer is None or row.other_gets_nothing(outcome.answer), caller
    assert await world.everything(of="alice") == before
    outcome = await called(world.alice, name, request)
    assert outcome.code is row.owner, outcome.said
    for caller in ADMINS:
        outcome = await called(world.callers[caller], name, await row.prepare(world))
        assert outcome.code is row.admin, (caller, outcome.said)


@pytest.mark.parametrize("name", NAMES_ANOTHER_USER)
async def test_who_names_another_user_is_refused_or_finds_nothing(world: World, name: str) -> None:
    await world.test()
    before = await world.everything(of="alice")
    for caller in OTHERS:
        outcome = await called(world.callers[caller], name, NAMES_ANOTHER_USER[name], Code.PERMISSION_DENIED)
        assert outcome.code in {Code.PERMISSION_DENIED, Code.NOT_FOUND, Code.INVALID_ARGUMENT}, outcome
        assert MARK.encode() not in outcome.said
    assert await world.everything(of="alice") == before


async def test_only_admins_archive_the_tests_of_everybody(world: World) -> None:
    await world.test()
    before = await world.everything(of="alice")
    for caller in OTHERS:
        outcome = await called(world.callers[caller], "ArchiveTests", EVERYBODY["ArchiveTests"])
        assert outcome.code is Code.PERMISSION_DENIED, outcome
    assert await world.everything(of="alice") == before


async def test_a_page_token_of_another_user_opens_nothing(world: World) -> None:
    for _ in range(3):
        await world.test()
    for name, kind in (
        ("ListTests", tests.ListTestsRequest),
        ("ListAgents", tests.ListAgentsRequest),
        ("ListPackages", packages.ListPackagesRequest),
    ):
        page = (await called(world.alice, name, kind(page_size=1))).answer
        if not page.next_page_token:
            continue
        for caller in OTHERS:
            outcome = await called(world.callers[caller], name, kind(page_size=1, page_token=page.next_page_token))
            assert MARK.encode() not in outcome.said
            assert outcome.code in {Code.OK, Code.INVALID_ARGUMENT}
