"""GetAccount on real servers: who calls, with which key, and what is left to them."""

from collections.abc import AsyncIterator
from datetime import timedelta

import grpc
import pytest_asyncio

from assay.v1 import account_service_pb2 as pb
from assay.v1 import admin_service_pb2 as admin
from shared.ids import TestId
from shared.store.admissions import Admissions
from shared.store.slots import Slots
from shared.version import assay_version
from tests.support.gateway import Client, Stage, now, refused, staged

Code = grpc.StatusCode


@pytest_asyncio.fixture
async def stage(nats_url: str, mongo_url: str, mongo_database: str) -> AsyncIterator[Stage]:
    async with staged(nats_url, mongo_url, mongo_database, gateway_submissions_per_hour=2) as stage:
        yield stage


async def account(client: Client) -> pb.GetAccountResponse:
    answer: pb.GetAccountResponse = await client.call("GetAccount", pb.GetAccountRequest())
    return answer


async def test_a_user_sees_who_they_are_and_which_key_they_use(stage: Stage) -> None:
    alice = await stage.client("alice")
    found = await account(alice)
    assert (found.user_id, found.role) == ("alice", admin.ROLE_USER)
    assert found.key.id.startswith("key_")
    assert found.key.user_id == "alice"
    assert alice.key.startswith(found.key.prefix)
    assert alice.key not in str(found)
    assert found.key.HasField("create_time")
    assert found.server_version == assay_version()
    assert abs(found.server_time.ToDatetime(now().tzinfo) - now()) < timedelta(minutes=1)


async def test_an_admin_is_one(stage: Stage) -> None:
    assert (await account(await stage.client("root", role="admin"))).role == admin.ROLE_ADMIN


async def test_asking_uses_up_no_submission_and_tells_when_the_next_one_is_let_in(stage: Stage) -> None:
    alice = await stage.client("alice")
    for _ in range(3):
        assert (await account(alice)).submissions_left == 2
    await alice.submit()
    found = await account(alice)
    assert found.submissions_left == 1
    assert not found.HasField("next_submission_in")
    await alice.submit()
    found = await account(alice)
    assert found.HasField("submissions_left")
    assert found.submissions_left == 0
    assert timedelta(minutes=59) < found.next_submission_in.ToTimedelta() <= timedelta(minutes=60)
    # The other half of the promise: who is told that none is left is refused.
    assert (await refused(alice.submit())).code() is Code.RESOURCE_EXHAUSTED
    assert len((await Admissions(stage.others.database).window(alice.user)).at) == 2


async def test_limits_are_those_that_were_set_over_the_defaults(stage: Stage) -> None:
    alice, root = await stage.client("alice"), await stage.client("root", role="admin")
    overrides = admin.UserLimits(submissions_per_hour=0, max_running=7)
    await root.call("SetUserLimits", admin.SetUserLimitsRequest(user_id="alice", overrides=overrides))
    found = await account(alice)
    assert found.limits == admin.UserLimits(submissions_per_hour=0, max_pending=0, max_running=7, weight=1.0)
    assert not found.HasField("submissions_left")
    assert (await account(root)).limits.submissions_per_hour == 2


async def test_own_tests_that_wait_and_run_are_counted_and_nobody_elses(stage: Stage) -> None:
    alice, bob = await stage.client("alice"), await stage.client("bob")
    slots = Slots(stage.others.database)
    await slots.ensure(2)
    waiting, running = await alice.submit(), await alice.submit()
    await stage.others.queued(waiting.id)
    await slots.take(test=TestId(running.id), user=alice.user, attempt=1, now=now())
    mine, theirs = await account(alice), await account(bob)
    assert (mine.pending, mine.running) == (1, 1)
    assert (theirs.pending, theirs.running) == (0, 0)


async def test_a_revoked_key_has_no_account(stage: Stage) -> None:
    alice, root = await stage.client("alice"), await stage.client("root", role="admin")
    key = (await account(alice)).key
    await root.call("RevokeApiKey", admin.RevokeApiKeyRequest(key_id=key.id))
    assert (await refused(alice.call("GetAccount", pb.GetAccountRequest()))).code() is Code.UNAUTHENTICATED
