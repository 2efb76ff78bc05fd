"""API keys through the API: made, listed, ended; and what ends with them, on a real store."""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from assay.v1 import admin_service_pb2 as pb
from assay.v1 import queue_service_pb2, test_service_pb2
from services.gateway.metrics import RPCS
from shared.store.keys import ApiKeys
from tests.support.gateway import Client, Stage, details_of, lines, refused, violations_of
from tests.support.until import until

Code = grpc.StatusCode
HOUR = Duration(seconds=3600)


async def made(root: Client, user: str = "alice", **fields: Any) -> pb.CreateApiKeyResponse:
    answer: pb.CreateApiKeyResponse = await root.call("CreateApiKey", pb.CreateApiKeyRequest(user_id=user, **fields))
    return answer


def with_key(client: Client, secret: str) -> Client:
    return Client(client.channel, client.user, secret)


async def listed(root: Client, **fields: Any) -> pb.ListApiKeysResponse:
    answer: pb.ListApiKeysResponse = await root.call("ListApiKeys", pb.ListApiKeysRequest(**fields))
    return answer


# -- making and listing


async def test_a_key_that_was_made_opens_the_api_and_is_listed_without_its_secret(stage: Stage, root: Client) -> None:
    answer = await made(root, name="ci für alles", ttl=HOUR)
    key = answer.key
    assert (key.user_id, key.name, key.role) == ("alice", "ci für alles", pb.ROLE_USER)
    assert answer.secret.startswith(key.prefix)
    assert len(key.prefix) == 10
    assert key.expire_time.seconds - key.create_time.seconds == 3600
    test = await with_key(root, answer.secret).submit()
    assert test.user_id == "alice"
    (found,) = (await listed(root, user_id="alice")).keys
    assert answer.secret not in str(found)
    assert found.HasField("last_use_time")
    assert (found.id, found.name, found.HasField("revoke_time")) == (key.id, key.name, False)
    chief = await made(root, "chief", role=pb.ROLE_ADMIN)
    assert not chief.key.HasField("expire_time")
    assert (await listed(with_key(root, chief.secret), user_id="chief")).keys[0].role == pb.ROLE_ADMIN


async def test_keys_are_listed_in_pages_newest_first(root: Client) -> None:
    keys = [(await made(root, user)).key.id for user in ("alice", "bob", "alice")]
    await root.call("RevokeApiKey", pb.RevokeApiKeyRequest(key_id=keys[2]))
    first = await listed(root, page_size=2, include_ended=True)
    assert [key.id for key in first.keys] == [keys[2], keys[1]]
    rest = await listed(root, page_size=2, include_ended=True, page_token=first.next_page_token)
    assert rest.keys[0].id == keys[0]
    assert not rest.next_page_token
    assert [key.id for key in (await listed(root, user_id="alice")).keys] == [keys[0]]
    for other in (pb.ListApiKeysRequest(user_id="alice", include_ended=True), pb.ListApiKeysRequest()):
        request = pb.ListApiKeysRequest(page_token=first.next_page_token)
        request.MergeFrom(other)
        assert "page_token" in violations_of(await refused(root.call("ListApiKeys", request)))


async def test_every_bad_field_of_a_new_key_is_named(root: Client) -> None:
    request = pb.CreateApiKeyRequest(user_id="a.b", name="x" * 200 + "\n", role=9, ttl=Duration())  # type: ignore[arg-type]
    assert set(violations_of(await refused(root.call("CreateApiKey", request)))) == {"user_id", "name", "role", "ttl"}
    for ttl in (Duration(seconds=-1), Duration(seconds=400_000_000), Duration(seconds=10**15), Duration(nanos=-5)):
        request = pb.CreateApiKeyRequest(user_id="alice", ttl=ttl)
        assert "ttl" in violations_of(await refused(root.call("CreateApiKey", request)))
    wrong = pb.ListApiKeysRequest(user_id="a b", page_size=-1)
    assert set(violations_of(await refused(root.call("ListApiKeys", wrong)))) == {"user_id", "page_size"}


async def test_the_first_admin_comes_in_with_the_key_that_assay_admin_shows(
    stage: Stage, mongo_url: str, mongo_database: str
) -> None:
    environment = {**os.environ, "ASSAY_MONGO_URL": mongo_url, "ASSAY_MONGO_DATABASE": mongo_database}
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.admin", "bootstrap", "--user", "ops"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, told = await command.communicate()
    assert command.returncode == 0, told.decode()
    assert b"shown this once" in told
    ops = with_key(await stage.client("nobody"), out.decode().strip())
    (own,) = (await listed(ops, user_id="ops")).keys
    assert (own.name, own.role) == ("bootstrap", pb.ROLE_ADMIN)
    (entry,) = (await ops.call("ListAudit", pb.ListAuditRequest(owner_id="ops"))).entries
    assert (entry.action, entry.user_id, entry.target_kind) == ("assay-admin bootstrap", "assay-admin", "api_key")


# -- ending


async def test_a_revoked_key_is_refused_and_told_why(root: Client) -> None:
    answer = await made(root)
    alice = with_key(root, answer.secret)
    await alice.submit()
    done = await root.call("RevokeApiKey", pb.RevokeApiKeyRequest(key_id=answer.key.id))
    assert (done.key.id, done.revoked_count, done.key.HasField("revoke_time")) == (answer.key.id, 1, True)
    error = await refused(alice.submit())
    assert (error.code(), "was revoked" in str(error.details())) == (Code.UNAUTHENTICATED, True)
    again = await root.call("RevokeApiKey", pb.RevokeApiKeyRequest(key_id=answer.key.id))
    assert (again.revoked_count, again.key.revoke_time) == (0, done.key.revoke_time)


async def test_all_keys_of_a_user_end_at_once(root: Client) -> None:
    secrets = [(await made(root)).secret for _ in range(3)]
    bob = with_key(root, (await made(root, "bob")).secret)
    done = await root.call("RevokeApiKey", pb.RevokeApiKeyRequest(user_id="alice"))
    assert done.revoked_count == 3
    for secret in secrets:
        assert "was revoked" in str((await refused(with_key(root, secret).submit())).details())
    await bob.submit()
    again = await root.call("RevokeApiKey", pb.RevokeApiKeyRequest(user_id="alice"))
    assert again.revoked_count == 0


async def test_what_is_not_there_cannot_be_revoked(root: Client) -> None:
    for target, name in (({"key_id": "key_" + "0" * 32}, "key_0"), ({"user_id": "nobody"}, "'nobody'")):
        error = await refused(root.call("RevokeApiKey", pb.RevokeApiKeyRequest(**target)))
        assert (error.code(), name in str(error.details())) == (Code.NOT_FOUND, True)
        assert details_of(error)["ResourceInfo"].resource_type == "assay.v1.ApiKey"
    for target, field in (
        ({}, "key_id"),
        ({"key_id": "key_" + "0" * 32, "user_id": "alice"}, "user_id"),
        ({"key_id": "assay_abc"}, "key_id"),
        ({"user_id": "a.b"}, "user_id"),
    ):
        error = await refused(root.call("RevokeApiKey", pb.RevokeApiKeyRequest(**target)))
        assert field in violations_of(error)


async def test_the_last_admin_may_go(root: Client) -> None:
    (own,) = (await listed(root)).keys
    done = await root.call("RevokeApiKey", pb.RevokeApiKeyRequest(key_id=own.id))
    assert done.revoked_count == 1
    assert (await refused(listed(root))).code() is Code.UNAUTHENTICATED


async def test_users_manage_no_keys(stage: Stage) -> None:
    alice = await stage.client("alice")
    for method, request in (
        ("CreateApiKey", pb.CreateApiKeyRequest(user_id="alice", role=pb.ROLE_ADMIN)),
        ("ListApiKeys", pb.ListApiKeysRequest()),
        ("RevokeApiKey", pb.RevokeApiKeyRequest(user_id="root")),
    ):
        assert (await refused(alice.call(method, request))).code() is Code.PERMISSION_DENIED


# -- streams


class Open:
    """A stream that is read in the background until it ends."""

    def __init__(self, client: Client, method: str, request: Any) -> None:
        self.messages = 0
        self.error: grpc.aio.AioRpcError | None = None
        self._stream = client.stream(method, request)
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for _ in self._stream:
                self.messages += 1
        except grpc.aio.AioRpcError as error:
            self.error = error

    @property
    def is_over(self) -> bool:
        return self.task.done()


def streams_of(client: Client, test_id: str) -> list[Open]:
    return [
        Open(client, "WatchTest", test_service_pb2.WatchTestRequest(test_id=test_id)),
        Open(client, "StreamLogs", test_service_pb2.StreamLogsRequest(test_id=test_id, follow=True)),
        Open(client, "WatchQueue", queue_service_pb2.WatchQueueRequest()),
    ]


@pytest.mark.parametrize("where", ["here", "on another gateway"])
async def test_silent_streams_end_within_five_seconds_of_a_revocation(stage: Stage, root: Client, where: str) -> None:
    answer, kept = await made(root), await made(root)
    alice, other = with_key(root, answer.secret), with_key(root, kept.secret)
    test = await alice.submit()
    await stage.others.started(test.id)
    await stage.others.wrote(test.id, lines(1, 3))
    streams, others = streams_of(alice, test.id), streams_of(other, test.id)
    await until(lambda: all(stream.messages for stream in [*streams, *others]))
    began = asyncio.get_running_loop().time()
    if where == "here":
        await root.call("RevokeApiKey", pb.RevokeApiKeyRequest(key_id=answer.key.id))
    else:  # the store is all that tells of it
        assert await ApiKeys(stage.others.database).revoke(answer.key.id, datetime.now(UTC))
    await until(lambda: all(stream.is_over for stream in streams))
    assert asyncio.get_running_loop().time() - began < (2 if where == "here" else 5)
    for stream in streams:
        assert stream.error is not None
        assert stream.error.code() is Code.UNAUTHENTICATED
        assert "was revoked" in str(stream.error.details())
        assert details_of(stream.error)["ErrorInfo"].reason == "API_KEY_INVALID"
    assert not any(stream.is_over for stream in others)
    await stage.others.completed(test.id)
    await stage.others.ended_output(test.id, 3)
    await until(lambda: all(stream.is_over for stream in others[:2]))
    assert [stream.error for stream in others[:2]] == [None, None]
    others[2].task.cancel()


async def test_a_stream_ends_when_its_key_expires(stage: Stage) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=1.5)
    alice = await stage.client("alice", expires_at=ends)
    test = await alice.submit()
    await stage.others.started(test.id)
    stream = Open(alice, "WatchTest", test_service_pb2.WatchTestRequest(test_id=test.id))
    await until(lambda: stream.is_over)
    assert timedelta() <= datetime.now(UTC) - ends < timedelta(seconds=2)
    assert stream.messages == 1
    assert stream.error is not None
    assert (stream.error.code(), "expired" in str(stream.error.details())) == (Code.UNAUTHENTICATED, True)


async def test_a_client_that_does_not_read_holds_nothing_of_a_stream_whose_key_was_revoked(
    stage: Stage, root: Client
) -> None:
    key = await made(root)
    narrow = await stage.client("alice", options=[("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0)])
    slow = with_key(narrow, key.secret)
    test = await slow.submit()
    await stage.others.started(test.id)
    for first in range(1, 2000, 100):
        await stage.others.wrote(test.id, lines(first, first + 99, "x" * 10_000), tell=False)
    messages = aiter(
        slow.stream("StreamLogs", test_service_pb2.StreamLogsRequest(test_id=test.id, follow=True), timeout=15)
    )
    await anext(messages)
    refusals = RPCS.labels("StreamLogs", "UNAUTHENTICATED")
    before = refusals._value.get()
    await root.call("RevokeApiKey", pb.RevokeApiKeyRequest(key_id=key.key.id))
    await until(lambda: refusals._value.get() > before)  # though the message under way is not taken
    rest = 0

    async def read_on() -> None:
        nonlocal rest
        async for _ in messages:
            rest += 1

    error = await refused(read_on())
    assert (error.code(), "was revoked" in str(error.details())) == (Code.UNAUTHENTICATED, True)
    assert rest < 15
