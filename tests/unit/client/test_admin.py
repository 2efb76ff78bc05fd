"""What administrators do, in the SDK: capacity, keys, limits, usage, cost, dead letters."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import grpc
import pytest

from assay import (
    Assay,
    AsyncAssay,
    AuditOutcome,
    PermissionDenied,
    RemainingLetter,
    Replayed,
    Role,
    Unavailable,
    UserLimits,
)
from assay.v1 import admin_service_pb2 as pb
from tests.unit.client.conftest import QUICK
from tests.unit.client.fake_admin import SECOND, a_key, an_audit_entry
from tests.unit.client.fake_server import KEY, FakeServer, Refusal

M = TypeVar("M")


def sent(fake: FakeServer, kind: type[M]) -> list[M]:
    return [request for request in fake.requests if isinstance(request, kind)]


async def test_capacity_and_pause_answer_with_how_the_queue_stands(client: AsyncAssay, fake: FakeServer) -> None:
    assert (await client.admin.set_capacity(4)).capacity == 4
    paused = await client.admin.pause_queue("upgrade")
    assert (paused.paused, paused.pause_reason) == (True, "upgrade")
    assert not (await client.admin.resume_queue()).paused


async def test_who_is_no_admin_is_told_so(client: AsyncAssay, fake: FakeServer) -> None:
    fake.refusals["SetCapacity"] = [Refusal(grpc.StatusCode.PERMISSION_DENIED, "needs a key with the role admin")]
    with pytest.raises(PermissionDenied, match="role admin"):
        await client.admin.set_capacity(4)


async def test_a_key_comes_with_its_secret_which_no_careless_print_shows(client: AsyncAssay, fake: FakeServer) -> None:
    made = await client.admin.create_key("alice", "ci", role="admin", ttl=timedelta(days=90))
    key, secret = made
    assert (key.user_id, key.name, key.role, key.prefix) == ("alice", "ci", Role.ADMIN, "ask_1a2b")
    assert key.created == datetime.fromtimestamp(SECOND, UTC)
    assert key.expires == datetime.fromtimestamp(SECOND, UTC) + timedelta(days=90)
    assert (key.revoked, key.last_used) == (None, None)
    assert secret == "ask_secret_of_key_1"
    assert secret not in repr(made)
    assert secret not in f"{made}"
    with pytest.raises(ValueError, match="none of USER, ADMIN"):
        await client.admin.create_key("alice", role="root")


async def test_a_key_whose_answer_got_lost_is_not_made_twice(client: AsyncAssay, fake: FakeServer) -> None:
    fake.refusals["CreateApiKey"] = [Refusal(grpc.StatusCode.UNAVAILABLE, "going down")]
    with pytest.raises(Unavailable):
        await client.admin.create_key("alice")
    assert len(fake.requests) == 1


async def test_keys_come_in_pages(client: AsyncAssay, fake: FakeServer) -> None:
    fake.admin.keys = [a_key(f"key_{number}") for number in range(5)]
    fake.admin.keys[1].revoke_time.FromSeconds(SECOND)
    assert [key.id async for key in client.admin.keys(page_size=2)] == ["key_0", "key_2", "key_3", "key_4"]
    assert [len(page.keys) async for page in client.admin.keys(include_ended=True, page_size=2).pages()] == [2, 2, 1]
    assert [key.id async for key in client.admin.keys("alice", limit=1)] == ["key_0"]
    assert [key async for key in client.admin.keys("bob")] == []
    listing = client.admin.keys(page_size=2)
    assert [key.id async for key in listing] == [key.id async for key in listing]  # it begins anew


async def test_revoking_says_how_many_it_ended(client: AsyncAssay, fake: FakeServer) -> None:
    fake.admin.keys = [a_key(f"key_{number}") for number in range(3)]
    ended = await client.admin.revoke_key("key_1")
    assert ended.count == 1
    assert ended.key is not None
    assert ended.key.revoked is not None
    assert (await client.admin.revoke_key("key_1")).count == 0
    assert (await client.admin.revoke_keys_of("alice")).count == 2


async def test_limits_that_are_not_set_are_the_servers(client: AsyncAssay, fake: FakeServer) -> None:
    found = await client.admin.user_limits("alice")
    assert found.overrides == UserLimits()
    assert found.effective == UserLimits(10, 100, 0, 1.0)
    held = await client.admin.set_user_limits("alice", UserLimits(submissions_per_hour=0, weight=2.0))
    assert held == UserLimits(0, 100, 0, 2.0)
    overrides = (await client.admin.user_limits("alice")).overrides
    assert overrides == UserLimits(submissions_per_hour=0, weight=2.0)
    changed = await client.admin.change_user_limits("alice", max_running=5, weight=None)
    assert changed.overrides == UserLimits(submissions_per_hour=0, max_running=5)
    assert changed.effective == UserLimits(0, 100, 5, 1.0)
    asked = fake.requests[-1]
    assert isinstance(asked, pb.SetUserLimitsRequest)
    assert asked.update_mask.paths == ["max_running", "weight"]
    assert await client.admin.change_user_limits("alice") == changed


async def test_usage_is_steps_and_all_of_it(client: AsyncAssay, fake: FakeServer) -> None:
    step = fake.admin.usage.steps.add(submitted_count=3, completed_count=1, failed_count=1, cancelled_count=1)
    step.start_time.FromSeconds(SECOND)
    step.success_rate = 0.5
    step.run_seconds.MergeFrom(type(step.run_seconds)(count=2, mean=1.5, p50=1.0, p95=2.0, min=1.0, max=2.0))
    step.usage.input_tokens = 7
    fake.admin.usage.steps.add().start_time.FromSeconds(SECOND + 3600)
    fake.admin.usage.total.submitted_count = 3
    since = datetime(2026, 1, 1, tzinfo=UTC)
    found = await client.admin.usage(since=since, interval="hour", user_id="alice")
    busy, quiet = found.steps
    assert (busy.submitted, busy.failed, busy.success_rate, busy.empty) == (3, 1, 0.5, False)
    assert busy.run is not None
    assert (busy.run.mean, busy.run.p95) == (timedelta(seconds=1.5), timedelta(seconds=2))
    assert busy.tokens is not None
    assert (quiet.empty, quiet.success_rate, quiet.run, quiet.tokens) == (True, None, None, None)
    [request] = sent(fake, pb.GetUsageRequest)
    assert request.from_time.ToDatetime(UTC) == since
    assert not request.HasField("to_time")
    assert (request.interval, request.user_id) == (pb.REPORT_INTERVAL_HOUR, "alice")
    written = found.to_dict()["steps"][0]
    assert (written["start"], written["run"]["mean_s"]) == ("2023-11-14T22:13:20.000000Z", 1.5)
    with pytest.raises(ValueError, match="none of HOUR, DAY"):
        await client.admin.usage(interval="week")


async def test_costs_are_rows_and_all_of_it(client: AsyncAssay, fake: FakeServer) -> None:
    row = fake.admin.costs.rows.add(key="blue", test_count=2)
    row.cost.total_usd = 0.25
    fake.admin.costs.rows.add(key="", test_count=1)
    found = await client.admin.costs(since=timedelta(days=7), by="label", label_key="team")
    assert found.charged
    first, second = found.rows
    assert (first.key, first.tests, first.cost and first.cost.total_usd) == ("blue", 2, 0.25)
    assert second.cost is None
    [request] = sent(fake, pb.GetCostReportRequest)
    assert (request.group_by, request.label_key) == (pb.COST_GROUPING_LABEL, "team")
    assert abs(datetime.now(UTC) - timedelta(days=7) - request.from_time.ToDatetime(UTC)) < timedelta(minutes=1)
    fake.admin.costs.Clear()
    assert not (await client.admin.costs()).charged


async def test_dead_letters_are_listed_and_sent_again(client: AsyncAssay, fake: FakeServer) -> None:
    fake.admin.letters = [
        pb.DeadLetter(id=str(number), service="packager", payload_json='{"a": 1}' if number else '{"cut": "he')
        for number in range(5)
    ]
    letters = [letter async for letter in client.admin.dead_letters("packager")]
    assert [letter.id for letter in letters] == ["0", "1", "2", "3", "4"]
    assert [letter.payload for letter in letters[:2]] == ['{"cut": "he', {"a": 1}]
    assert letters[1].to_dict()["payload"] == {"a": 1}
    assert [page.total async for page in client.admin.dead_letters().pages()] == [5, 5, 5]
    assert [letter.id async for letter in client.admin.dead_letters(limit=3)] == ["0", "1", "2"]
    assert await client.admin.replay("3") == 1
    fake.admin.stuck = {"0": "There is nothing to send again."}
    done = await client.admin.replay_all()
    assert done == Replayed(3, 1, (RemainingLetter("0", "There is nothing to send again."),))
    assert done.to_dict()["remaining"] == [{"id": "0", "reason": "There is nothing to send again."}]
    fake.admin.stuck.clear()
    assert await client.admin.replay_all() == Replayed(1, 0, ())
    assert [letter async for letter in client.admin.dead_letters("gateway")] == []


async def test_without_asyncio_it_is_the_same(fake: FakeServer, address: str) -> None:
    fake.admin.letters = [pb.DeadLetter(id=str(number)) for number in range(3)]

    def use() -> None:
        with Assay(address, KEY, retry=QUICK) as client:
            admin = client.admin
            assert admin is client.admin
            assert admin.set_capacity(3).capacity == 3
            assert admin.pause_queue().paused
            assert not admin.resume_queue().paused
            keys = [admin.create_key("alice").key.id for _ in range(3)]
            assert [key.id for key in admin.keys(page_size=2)] == keys[::-1]
            assert len(list(admin.keys(limit=2))) == 2
            assert admin.revoke_key(keys[0]).count == 1
            assert admin.revoke_keys_of("alice").count == 2
            assert admin.set_user_limits("alice", UserLimits(weight=3.0)).weight == 3.0
            assert admin.change_user_limits("alice", max_running=1).effective.weight == 3.0
            assert admin.user_limits("alice").overrides == UserLimits(max_running=1, weight=3.0)
            assert admin.usage().steps == ()
            assert admin.costs(by="user").rows == ()
            assert len(list(admin.dead_letters())) == 3
            assert len(list(admin.dead_letters(limit=1))) == 1
            assert admin.replay("1") == 1
            assert admin.replay_all() == Replayed(2, 0, ())

    await asyncio.to_thread(use)


@pytest.mark.parametrize("kind", [Assay, AsyncAssay])
async def test_both_clients_have_the_same_methods(kind: type, address: str) -> None:
    client = kind(address, KEY)
    names = {name for name in dir(client.admin) if not name.startswith("_")}
    assert names == {
        *("set_capacity", "pause_queue", "resume_queue", "create_key", "keys", "revoke_key", "revoke_keys_of"),
        *("user_limits", "set_user_limits", "change_user_limits", "usage", "costs"),
        *("dead_letters", "replay", "replay_all", "health", "audit"),
    }


async def test_the_audit_log_comes_in_pages_and_by_filter(client: AsyncAssay, fake: FakeServer) -> None:
    change = pb.AuditChange(field="capacity", before="5", after="7")
    fake.admin.audit = [
        an_audit_entry("aud_1", "SetCapacity", changes=[change], outcome=pb.AUDIT_OUTCOME_DONE, status="OK"),
        an_audit_entry("aud_2", "GetTest", target_kind="test", target_id="tst_1", owner_id="alice"),
    ]
    found = [entry async for entry in client.admin.audit(page_size=1)]
    assert [(entry.action, entry.outcome) for entry in found] == [
        ("SetCapacity", AuditOutcome.DONE),
        ("GetTest", AuditOutcome.UNKNOWN),
    ]
    assert found[0].changes[0].before == "5"
    assert found[0].to_dict()["time"] == "2023-11-14T22:13:20.000000Z"
    since = datetime.fromtimestamp(SECOND, UTC)
    assert [e.id async for e in client.admin.audit(owner_id="alice", since=since)] == ["aud_2"]
    assert sent(fake, pb.ListAuditRequest)[-1].from_time.seconds == SECOND
