"""Nothing is done with the power of an admin without an entry in the audit log: also where somebody tries."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from assay.v1 import account_service_pb2, package_service_pb2, queue_service_pb2, test_service_pb2
from assay.v1 import admin_service_pb2 as pb
from services.gateway.audit.audited import AUDITED
from shared.ids import UserId
from shared.store.audit import Audited, AuditLog
from tests.support.gateway import Client, Stage, refused
from tests.support.until import until

ADMIN_CHANGES: dict[str, Any] = {
    "CreateApiKey": pb.CreateApiKeyRequest(user_id="carol", name="ci", ttl=Duration(seconds=60)),
    "RevokeApiKey": pb.RevokeApiKeyRequest(user_id="alice"),
    "SetUserLimits": pb.SetUserLimitsRequest(user_id="alice", overrides=pb.UserLimits(max_running=3)),
    "SetCapacity": pb.SetCapacityRequest(capacity=7),
    "PauseQueue": pb.PauseQueueRequest(reason="a new release"),
    "ResumeQueue": pb.ResumeQueueRequest(),
    "ReplayDeadLetter": pb.ReplayDeadLetterRequest(all=True),
}
READS_OF_A_TEST: dict[str, Any] = {
    "GetTest": test_service_pb2.GetTestRequest,
    "GetLogs": test_service_pb2.GetLogsRequest,
    "GetRetryChain": test_service_pb2.GetRetryChainRequest,
    "StreamLogs": test_service_pb2.StreamLogsRequest,
    "WatchTest": test_service_pb2.WatchTestRequest,
    "DownloadFile": test_service_pb2.DownloadFileRequest,
}
LISTS: dict[str, Any] = {
    "ListTests": test_service_pb2.ListTestsRequest(filter=test_service_pb2.TestFilter(user_id="alice")),
    "ListAgents": test_service_pb2.ListAgentsRequest(user_id="alice"),
    "ListPackages": package_service_pb2.ListPackagesRequest(),
    "ListApiKeys": pb.ListApiKeysRequest(),
    "ListDeadLetters": pb.ListDeadLettersRequest(),
    "ListAudit": pb.ListAuditRequest(),
}


async def entries(stage: Stage, **wanted: Any) -> list[Audited]:
    log = AuditLog(stage.others.database, lambda letters: None)
    return await log.page(**{"limit": 100, **wanted})


async def test_every_method_of_the_api_has_a_row() -> None:
    services = [
        module.DESCRIPTOR.services_by_name.values()
        for module in (pb, test_service_pb2, package_service_pb2, queue_service_pb2, account_service_pb2)
    ]
    methods = {method.name for found in services for service in found for method in service.methods}
    assert methods == set(AUDITED)


@pytest.mark.parametrize("method", sorted(ADMIN_CHANGES))
async def test_a_change_of_an_admin_is_written_with_its_end(
    method: str, stage: Stage, root: Client, alice: Client
) -> None:
    assert alice.key  # there is a key to revoke
    await root.call(method, ADMIN_CHANGES[method])
    (found,) = await entries(stage, action=method)
    assert found.entry.actor.user_id == "root"
    assert found.entry.actor.key_id.startswith("key_")
    assert found.entry.actor.peer.startswith("ipv4:127.0.0.1")
    assert "grpc" in found.entry.actor.user_agent
    assert found.outcome is not None
    assert found.outcome.status == "OK"


async def test_old_and_new_values_are_there_and_no_secret_is(stage: Stage, root: Client) -> None:
    await root.call("SetCapacity", pb.SetCapacityRequest(capacity=5))
    await root.call("SetCapacity", pb.SetCapacityRequest(capacity=7))
    secret = (await root.call("CreateApiKey", ADMIN_CHANGES["CreateApiKey"])).secret
    newest, before = (await root.call("ListAudit", pb.ListAuditRequest(action="SetCapacity"))).entries
    assert [(one.field, one.before, one.after) for one in newest.changes] == [("capacity", "5", "7")]
    assert (newest.outcome, newest.target_kind, before.changes[0].after) == (pb.AUDIT_OUTCOME_DONE, "queue", "5")
    (made,) = (await root.call("ListAudit", pb.ListAuditRequest(action="CreateApiKey"))).entries
    assert {one.field for one in made.changes} == {"name", "role", "ttl_s", "key_id"}
    assert made.owner_id == "carol"
    stored = [document async for document in stage.others.database["audit"].find()]
    assert secret not in repr(stored)
    assert secret[-20:] not in repr(stored)


async def test_a_change_that_is_refused_is_written_with_its_reason(stage: Stage, root: Client) -> None:
    await refused(root.call("SetCapacity", pb.SetCapacityRequest(capacity=-1)))
    (found,) = (await root.call("ListAudit", pb.ListAuditRequest(action="SetCapacity"))).entries
    assert (found.outcome, found.status, found.message) == (pb.AUDIT_OUTCOME_REFUSED, "INVALID_ARGUMENT", "capacity")


async def test_a_change_that_broke_on_the_way_is_not_said_to_be_refused(stage: Stage, root: Client) -> None:
    """The store took the new key, or did not: who reads the log must not be told that there is none."""
    database = stage.others.database
    await database.command("collMod", "api_keys", validator={"never": {"$exists": True}})
    try:
        error = await refused(root.call("CreateApiKey", ADMIN_CHANGES["CreateApiKey"]))
    finally:
        await database.command("collMod", "api_keys", validator={})
    (found,) = (await root.call("ListAudit", pb.ListAuditRequest(action="CreateApiKey"))).entries
    assert (found.outcome, found.status) == (pb.AUDIT_OUTCOME_UNKNOWN, error.code().name)
    assert found.HasField("end_time")


async def test_a_copy_of_the_events_tells_who_was_refused(stage: Stage, alice: Client, root: Client) -> None:
    """Who keeps them elsewhere has nothing else: a read and a refusal must not look the same there."""
    heard: list[dict[str, Any]] = []

    async def hear(message: Any) -> None:
        heard.append(json.loads(message.data))

    subscription = await stage.others.bus.client.subscribe("audit.attempted.>", cb=hear)
    await refused(alice.call("PauseQueue", pb.PauseQueueRequest()))
    await root.call("ListApiKeys", LISTS["ListApiKeys"])
    await root.call("PauseQueue", pb.PauseQueueRequest())

    told = {("PauseQueue", "alice", "PERMISSION_DENIED"), ("ListApiKeys", "root", "OK"), ("PauseQueue", "root", "")}

    def ends() -> bool:
        return {(one["action"], one["user_id"], one["status"]) for one in heard} >= told

    await until(ends)
    await subscription.unsubscribe()


async def test_who_tries_the_door_is_written_once_a_minute(stage: Stage, alice: Client) -> None:
    for _ in range(3):
        error = await refused(alice.call("PauseQueue", pb.PauseQueueRequest()))
        assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    (found,) = await entries(stage)
    assert (found.entry.action, found.entry.actor.user_id, found.entry.status) == (
        "PauseQueue",
        "alice",
        "PERMISSION_DENIED",
    )


@pytest.mark.parametrize("method", sorted(READS_OF_A_TEST))
async def test_an_admin_who_reads_another_users_test_is_written(
    method: str, stage: Stage, alice: Client, root: Client
) -> None:
    test = await alice.submit()
    request = READS_OF_A_TEST[method](test_id=test.id)
    for _ in range(2):  # the second time within the minute adds nothing
        call = getattr(root.tests, method)(request, metadata=root.metadata)
        with contextlib.suppress(grpc.aio.AioRpcError):  # there is no such file
            if hasattr(call, "read"):
                await call.read()
                call.cancel()
            else:
                await call
    (found,) = await entries(stage)
    assert (found.entry.action, found.entry.target.id, found.entry.target.owner) == (method, test.id, "alice")
    assert found.entry.status == "OK"


@pytest.mark.parametrize("method", sorted(LISTS))
async def test_an_admin_who_lists_what_is_others_is_written(method: str, stage: Stage, root: Client) -> None:
    await root.call(method, LISTS[method])
    (found,) = await entries(stage, action=method)
    assert found.entry.actor.user_id == "root"


async def test_what_is_ones_own_leaves_no_entry(stage: Stage, alice: Client, root: Client) -> None:
    for client in (alice, root):
        test = await client.submit()
        await client.call("GetTest", test_service_pb2.GetTestRequest(test_id=test.id))
        own = test_service_pb2.TestFilter(user_id=client.user)
        await client.call("ListTests", test_service_pb2.ListTestsRequest(filter=own))
        await client.call("CancelTest", test_service_pb2.CancelTestRequest(test_id=test.id))
    assert await entries(stage) == []


async def test_cancelling_and_archiving_for_another_user_is_written(stage: Stage, alice: Client, root: Client) -> None:
    test = await alice.submit()
    await root.call("CancelTest", test_service_pb2.CancelTestRequest(test_id=test.id))
    ended = await alice.submit()
    await stage.others.started(ended.id)
    await stage.others.completed(ended.id)
    await root.call("ArchiveTests", test_service_pb2.ArchiveTestsRequest(test_ids=[ended.id]))
    archived, cancelled = await entries(stage, owner=UserId("alice"))
    assert (cancelled.entry.action, cancelled.entry.target.id) == ("CancelTest", test.id)
    assert archived.entry.action == "ArchiveTests"
    assert archived.outcome is not None
    assert ended.id in archived.outcome.detail[0].after
    await root.call("ArchiveTests", test_service_pb2.ArchiveTestsRequest(everybody=True))
    newest = (await entries(stage, action="ArchiveTests"))[0]
    assert newest.entry.target.id == "*"


async def test_without_a_place_to_write_it_nothing_is_done(stage: Stage, root: Client) -> None:
    """An entry that cannot be stored refuses what it would tell of."""
    await root.call("SetCapacity", pb.SetCapacityRequest(capacity=5))
    database = stage.others.database
    await database.drop_collection("audit")
    await database.create_collection("audit", validator={"never": {"$exists": True}})  # every insert is refused
    error = await refused(root.call("SetCapacity", pb.SetCapacityRequest(capacity=9)))
    assert error.code() is not grpc.StatusCode.OK
    pool = await database["meta"].find_one({"capacity": 9})
    assert pool is None
    assert await database["slots"].count_documents({}) <= 5


async def test_a_read_whose_entry_could_not_be_stored_is_refused_and_noted_the_next_time(
    stage: Stage, alice: Client, root: Client
) -> None:
    test = await alice.submit()
    request = test_service_pb2.GetTestRequest(test_id=test.id)
    database = stage.others.database
    await root.call("PauseQueue", pb.PauseQueueRequest())  # the collection is there
    await database.command("collMod", "audit", validator={"never": {"$exists": True}})
    for _ in range(2):
        await refused(root.call("GetTest", request))
    await database.command("collMod", "audit", validator={})
    await root.call("GetTest", request)
    (found,) = await entries(stage, action="GetTest")
    assert found.entry.target.id == test.id


async def test_an_action_whose_end_was_not_stored_is_listed_without_one(stage: Stage, root: Client) -> None:
    """As after a crash between the entry and its end."""
    await root.call("PauseQueue", pb.PauseQueueRequest(reason="r"))
    await stage.others.database["audit"].delete_many({"of": {"$exists": True}})
    (found,) = (await root.call("ListAudit", pb.ListAuditRequest(action="PauseQueue"))).entries
    assert (found.outcome, found.status, found.HasField("end_time")) == (pb.AUDIT_OUTCOME_UNKNOWN, "", False)
    assert [(one.field, one.after) for one in found.changes] == [("reason", "r")]


async def test_entries_are_told_on_the_bus_and_leave_the_outbox(stage: Stage, root: Client) -> None:
    heard: list[dict[str, Any]] = []

    async def hear(message: Any) -> None:
        heard.append({"subject": message.subject, **json.loads(message.data)})

    subscription = await stage.others.bus.client.subscribe("audit.>", cb=hear)
    user = UserId("root")
    await root.call("PauseQueue", pb.PauseQueueRequest())
    (found,) = await entries(stage, user=user)

    def both() -> bool:
        return len([one for one in heard if one["audit_id"] == found.entry.id]) == 2

    await until(both)
    await subscription.unsubscribe()
    subjects = {one["subject"] for one in heard if one["audit_id"] == found.entry.id}
    assert subjects == {f"audit.attempted.root.{found.entry.id}", f"audit.concluded.root.{found.entry.id}"}

    async def empty() -> bool:
        return await stage.others.database["audit"].count_documents({"outbox.0": {"$exists": True}}) == 0

    await until(empty)


async def test_pages_filters_and_times(stage: Stage, root: Client) -> None:
    other = await stage.client("ann", role="admin")
    for number in range(5):
        await (root if number % 2 else other).call("SetCapacity", pb.SetCapacityRequest(capacity=number))
    seen: list[str] = []
    token = ""
    while True:
        request = pb.ListAuditRequest(action="SetCapacity", page_size=2, page_token=token)
        page = await root.call("ListAudit", request)
        seen += [entry.changes[0].after for entry in page.entries]
        token = page.next_page_token
        if not token:
            break
    assert seen == ["4", "3", "2", "1", "0"]
    mine = await root.call("ListAudit", pb.ListAuditRequest(user_id="ann", action="SetCapacity"))
    assert [entry.user_id for entry in mine.entries] == ["ann"] * 3
    later = Timestamp()
    later.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    assert not (await root.call("ListAudit", pb.ListAuditRequest(from_time=later))).entries
    assert len((await root.call("ListAudit", pb.ListAuditRequest(to_time=later))).entries) >= 5
    error = await refused(root.call("ListAudit", pb.ListAuditRequest(action="Nonsense", page_token="x")))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_user_does_not_read_the_audit_log(alice: Client) -> None:
    error = await refused(alice.call("ListAudit", pb.ListAuditRequest()))
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_entries_have_an_end_that_a_setting_gives(stage: Stage, root: Client) -> None:
    await root.call("PauseQueue", pb.PauseQueueRequest())
    (found,) = await entries(stage, action="PauseQueue")
    assert found.entry.expires_at is not None
    assert found.outcome is not None
    assert found.outcome.expires_at is not None
    assert timedelta(days=364) < found.entry.expires_at - found.entry.at <= timedelta(days=365)
