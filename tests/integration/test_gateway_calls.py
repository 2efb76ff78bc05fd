"""Unary calls of the gateway on a real store and bus: what is accepted, what is refused, and with which status."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from assay.v1 import (
    admin_service_pb2,
    log_pb2,
    package_service_pb2,
    package_service_pb2_grpc,
    queue_service_pb2,
    test_pb2,
)
from assay.v1 import test_service_pb2 as pb
from shared.events.tests import TestSubmitted
from shared.store.slots import Slots
from tests.support.gateway import CODE, Client, Stage, details_of, line, lines, refused, violations_of
from tests.support.until import until

Code = grpc.StatusCode


def spec(**fields: Any) -> test_pb2.TestSpec:
    return test_pb2.TestSpec(**{"agent_code": CODE, **fields})


# -- who may come in


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        pytest.param((), "no API key", id="none"),
        pytest.param((("authorization", "Bearer assay_wrong"),), "not known", id="wrong"),
        pytest.param((("authorization", "Basic YTpi"),), "Bearer <key>", id="another scheme"),
    ],
)
async def test_without_a_valid_key_nobody_comes_in(stage: Stage, alice: Client, metadata: Any, words: str) -> None:
    for call in (
        alice.tests.GetTest(pb.GetTestRequest(test_id="x"), metadata=metadata),
        alice.queue.GetQueueStatus(queue_service_pb2.GetQueueStatusRequest(), metadata=metadata),
    ):
        error = await refused(call)
        assert error.code() is Code.UNAUTHENTICATED
        assert words in str(error.details())
        assert details_of(error)["ErrorInfo"].reason == "API_KEY_INVALID"


async def test_an_expired_key_is_refused(stage: Stage) -> None:
    late = await stage.client("late", expires_at=datetime.now(UTC) - timedelta(seconds=1))
    error = await refused(late.call("ListTests", pb.ListTestsRequest()))
    assert error.code() is Code.UNAUTHENTICATED
    assert "expired" in str(error.details())


async def test_only_admins_reach_the_admin_service(stage: Stage, alice: Client) -> None:
    root = await stage.client("root", role="admin")
    request = admin_service_pb2.GetSystemHealthRequest()
    assert (await refused(alice.call("GetSystemHealth", request))).code() is Code.PERMISSION_DENIED
    assert (await root.call("GetSystemHealth", request)).services


async def test_another_users_test_is_not_found_and_an_admin_sees_all(stage: Stage, alice: Client) -> None:
    bob, root = await stage.client("bob"), await stage.client("root", role="admin")
    test = await alice.submit()
    for method, request in (
        ("GetTest", pb.GetTestRequest(test_id=test.id)),
        ("GetLogs", pb.GetLogsRequest(test_id=test.id)),
        ("CancelTest", pb.CancelTestRequest(test_id=test.id)),
    ):
        error = await refused(bob.call(method, request))
        assert error.code() is Code.NOT_FOUND
        assert details_of(error)["ResourceInfo"].resource_name == test.id
    assert (await root.call("GetTest", pb.GetTestRequest(test_id=test.id))).test.user_id == "alice"
    assert not (await bob.call("ListTests", pb.ListTestsRequest())).tests
    assert len((await root.call("ListTests", pb.ListTestsRequest(filter=pb.TestFilter(user_id="alice")))).tests) == 1
    assert len((await root.call("ListTests", pb.ListTestsRequest())).tests) == 1


@pytest.mark.parametrize(
    "test_id", ["tst_" + "0" * 32, "nonsense", "tst_", "../x", "tst_" + "0" * 32 + "\n", "a" * 9999]
)
async def test_an_unknown_id_is_not_found(alice: Client, test_id: str) -> None:
    error = await refused(alice.call("GetTest", pb.GetTestRequest(test_id=test_id)))
    assert error.code() is Code.NOT_FOUND


async def test_an_empty_id_is_a_bad_request(alice: Client) -> None:
    error = await refused(alice.call("GetTest", pb.GetTestRequest()))
    assert error.code() is Code.INVALID_ARGUMENT
    assert "test_id" in violations_of(error)


# -- submitting


async def test_a_submitted_test_is_stored_and_told(stage: Stage, alice: Client) -> None:
    heard: list[TestSubmitted] = []

    async def hear(message: Any) -> None:
        heard.append(TestSubmitted.model_validate_json(message.data))

    await stage.others.bus.follow("test.submitted.alice.>", hear)
    await stage.others.bus.client.flush()
    test = await alice.submit(query="weather?", requirements=["httpx>=0.27  # web"], labels={"team": "a"})
    assert test.state == test_pb2.TEST_STATE_SUBMITTED
    assert test.spec.query == "weather?"
    assert not test.spec.agent_code
    await until(lambda: heard)
    assert [(event.test_id, event.priority) for event in heard] == [(test.id, 5)]
    stored = await stage.others.execution(test.id)
    assert stored.input.agent_code == CODE
    assert stored.input.requirements == ["httpx>=0.27"]
    assert [entry.state for entry in stored.history] == ["SUBMITTED"]


async def test_everything_that_is_wrong_is_told_at_once_and_nothing_is_stored(alice: Client) -> None:
    request = pb.SubmitTestRequest(
        request_id="with blank",
        spec=spec(
            agent_code="def run(:\n  pass",
            query="q" * 65_537,
            entrypoint="a b",
            requirements=["fine", "--index-url https://x", "p @ https://x/y", "./path", "x=="],
            env={"LD_PRELOAD": "x"},
            priority=12,
        ),
    )
    error = await refused(alice.call("SubmitTest", request))
    assert error.code() is Code.INVALID_ARGUMENT
    assert set(violations_of(error)) == {
        "request_id",
        "spec.agent_code",
        "spec.query",
        "spec.entrypoint",
        "spec.requirements[1]",
        "spec.requirements[2]",
        "spec.requirements[3]",
        "spec.requirements[4]",
        'spec.env["LD_PRELOAD"]',
        "spec.priority",
    }
    assert "line 1" in violations_of(error)["spec.agent_code"]
    assert not (await alice.call("ListTests", pb.ListTestsRequest())).tests


async def test_two_hundred_bad_requirements_still_arrive_as_one_clear_error(alice: Client) -> None:
    request = pb.SubmitTestRequest(spec=spec(requirements=["-e " + "x" * 400] * 200))
    error = await refused(alice.call("SubmitTest", request))
    assert error.code() is Code.INVALID_ARGUMENT
    assert "more fields" in violations_of(error)[""]


async def test_code_of_256_kib_is_accepted_and_one_byte_more_is_not(alice: Client) -> None:
    code = "# " + "x" * (256 * 1024 - 2)
    assert (await alice.submit(code, query="q" * 65_536)).id
    error = await refused(alice.submit(code + "x"))
    assert "spec.agent_code" in violations_of(error)


async def test_a_message_beyond_the_limit_is_refused(alice: Client) -> None:
    error = await refused(alice.submit("x" * (5 << 20)))
    assert error.code() is Code.RESOURCE_EXHAUSTED


async def test_text_that_is_not_utf_8_is_refused(stage: Stage, alice: Client) -> None:
    call = alice.channel.unary_unary("/assay.v1.TestService/SubmitTest", None, None)
    broken = b"\x0a\x04\x22\x02\xff\xfe"  # spec.agent_code with two bytes that no text has
    error = await refused(call(broken, metadata=alice.metadata))
    assert error.code() is Code.INVALID_ARGUMENT
    assert "UTF-8" in str(error.details())
    assert (await refused(call(b"\xff\xff\xff", metadata=alice.metadata))).code() is Code.INVALID_ARGUMENT


async def test_the_same_request_gives_the_same_test_and_another_one_does_not(stage: Stage, alice: Client) -> None:
    request_id = str(uuid.uuid4())
    tests = await asyncio.gather(*(alice.submit(request_id=request_id, query="a") for _ in range(20)))
    assert len({test.id for test in tests}) == 1
    error = await refused(alice.submit(request_id=request_id, query="b"))
    assert error.code() is Code.ALREADY_EXISTS
    info = details_of(error)["ErrorInfo"]
    assert (info.reason, info.metadata["test_id"]) == ("REQUEST_ID_TAKEN", tests[0].id)
    bob = await stage.client("bob")
    assert (await bob.submit(request_id=request_id, query="b")).id != tests[0].id
    assert len((await alice.call("ListTests", pb.ListTestsRequest())).tests) == 1


async def test_validate_only_makes_nothing(alice: Client) -> None:
    request = pb.SubmitTestRequest(spec=spec(agent_name="Weather"), validate_only=True)
    test = (await alice.call("SubmitTest", request)).test
    assert not test.id
    assert test.spec.agent_id == "weather"
    assert not (await alice.call("ListTests", pb.ListTestsRequest())).tests
    request.spec.priority = 99
    assert "spec.priority" in violations_of(await refused(alice.call("SubmitTest", request)))


# -- looking


async def test_views_carry_as_much_as_was_asked_for(alice: Client) -> None:
    test = await alice.submit(query="q" * 300, requirements=["httpx"], env={"A": "1"})
    views = {
        int(view): (await alice.call("GetTest", pb.GetTestRequest(test_id=test.id, view=view))).test
        for view in test_pb2.TestView.values()
    }
    assert views[0] == views[test_pb2.TEST_VIEW_FULL]
    assert views[0].spec.agent_code == CODE
    assert len(views[test_pb2.TEST_VIEW_BASIC].spec.query) == 200
    assert not views[test_pb2.TEST_VIEW_RESULT].spec.agent_code
    assert views[test_pb2.TEST_VIEW_RESULT].history


async def test_a_waiting_test_tells_its_place(stage: Stage, alice: Client) -> None:
    tests = [await alice.submit() for _ in range(3)]
    for rank, test in enumerate(tests):
        await stage.others.queued(test.id, rank=float(rank))
    place = (await alice.call("GetTest", pb.GetTestRequest(test_id=tests[2].id))).test.queue_place
    assert place.position == 3


# -- logs in pages


async def test_stored_output_is_read_in_pages(stage: Stage, alice: Client) -> None:
    test = await alice.submit()
    await stage.others.started(test.id)
    await stage.others.stored(test.id, lines(1, 6))
    await stage.others.stored(test.id, [line(7, "WARNING x", stream="stderr", level="warning")])
    first = await alice.call("GetLogs", pb.GetLogsRequest(test_id=test.id, page_size=4))
    assert [one.seq for one in first.lines] == [1, 2, 3, 4]
    assert first.next_seq == 5
    assert not first.HasField("complete")
    rest = await alice.call("GetLogs", pb.GetLogsRequest(test_id=test.id, from_seq=first.next_seq))
    assert [one.seq for one in rest.lines] == [5, 6, 7]
    assert rest.next_seq == 0
    tail = await alice.call("GetLogs", pb.GetLogsRequest(test_id=test.id, tail=2))
    assert [one.seq for one in tail.lines] == [6, 7]
    warnings = await alice.call("GetLogs", pb.GetLogsRequest(test_id=test.id, min_level=log_pb2.LOG_LEVEL_WARNING))
    assert [one.text for one in warnings.lines] == ["WARNING x"]
    tail = await alice.call("GetLogs", pb.GetLogsRequest(test_id=test.id, tail=2, streams=[log_pb2.LOG_STREAM_STDOUT]))
    assert [one.seq for one in tail.lines] == [5, 6]
    await stage.others.completed(test.id)
    await stage.others.ended_output(test.id, 7)
    end = await alice.call("GetLogs", pb.GetLogsRequest(test_id=test.id, from_seq=8))
    assert end.complete.complete
    assert not end.lines


async def test_the_tail_reaches_back_into_the_attempt_before(stage: Stage, alice: Client) -> None:
    test = await alice.submit()
    await stage.others.started(test.id)
    await stage.others.database["executions"].update_one({"_id": test.id}, {"$set": {"attempt": 2}})
    await stage.others.stored(test.id, lines(1, 3))
    await stage.others.stored(test.id, lines(1_000_001, 1_000_002))
    tail = await alice.call("GetLogs", pb.GetLogsRequest(test_id=test.id, tail=4))
    assert [one.seq for one in tail.lines] == [2, 3, 1_000_001, 1_000_002]


async def test_a_page_of_logs_is_cut_at_a_mebibyte(stage: Stage, alice: Client) -> None:
    test = await alice.submit()
    await stage.others.started(test.id)
    for first in range(1, 201, 50):
        await stage.others.stored(test.id, lines(first, first + 49, "x" * 16_000))
    page = await alice.call("GetLogs", pb.GetLogsRequest(test_id=test.id, page_size=10_000))
    assert 0 < page.ByteSize() <= 1 << 20
    assert page.next_seq == len(page.lines) + 1
    tail = await alice.call("GetLogs", pb.GetLogsRequest(test_id=test.id, tail=1000))
    assert tail.lines[-1].seq == 200
    assert tail.ByteSize() <= 1 << 20


async def test_bad_log_pages_are_refused_with_every_field(alice: Client) -> None:
    request = pb.GetLogsRequest(test_id="x", from_seq=-1, page_size=-1, tail=3)
    error = await refused(alice.call("GetLogs", request))
    assert set(violations_of(error)) == {"from_seq", "page_size", "tail"}


# -- cancelling


async def test_cancelling_writes_the_wish_and_tells_it_once(stage: Stage, alice: Client) -> None:
    heard: list[str] = []

    async def hear(message: Any) -> None:
        heard.append(message.subject)

    test = await alice.submit()
    await stage.others.bus.follow(f"test.cancel_requested.*.{test.id}", hear)
    await stage.others.bus.client.flush()
    await stage.others.started(test.id)
    first = await alice.call("CancelTest", pb.CancelTestRequest(test_id=test.id, reason="enough"))
    again = await alice.call("CancelTest", pb.CancelTestRequest(test_id=test.id, reason="really"))
    assert first.outcome == again.outcome == pb.CANCEL_OUTCOME_STOPPING
    assert again.test.cancellation.reason == "enough"
    assert again.test.cancellation.requested_by == "alice"
    await until(lambda: heard)
    await stage.others.bus.client.flush()
    assert len(heard) == 1


@pytest.mark.parametrize("attempts", [0, 1])
async def test_a_waiting_test_that_is_cancelled_has_left_the_queue_when_the_call_returns(
    stage: Stage, alice: Client, attempts: int
) -> None:
    test = await alice.submit()
    await stage.others.queued(test.id)
    for _ in range(attempts):
        await stage.others.scheduled(test.id)
        await stage.others.requeued(test.id)

    async def withdraw(message: Any) -> None:  # the scheduler's part
        failure = {"code": "CANCELLED", "stage": "queue", "message": "m", "hint": "h"}
        await stage.others.failed(test.id, failure)

    await stage.others.bus.follow(f"test.cancel_requested.*.{test.id}", withdraw)
    await stage.others.bus.client.flush()
    done = await alice.call("CancelTest", pb.CancelTestRequest(test_id=test.id))
    assert done.outcome == pb.CANCEL_OUTCOME_REMOVED_FROM_QUEUE
    assert done.test.failure.code == "CANCELLED"
    assert stage.live.followed == 0
    again = await alice.call("CancelTest", pb.CancelTestRequest(test_id=test.id))
    assert again.outcome == pb.CANCEL_OUTCOME_ALREADY_ENDED


async def test_a_waiting_test_that_nobody_takes_out_of_the_queue_is_being_stopped(stage: Stage, alice: Client) -> None:
    test = await alice.submit()
    await stage.others.queued(test.id)
    asked = await alice.call("CancelTest", pb.CancelTestRequest(test_id=test.id))  # without a scheduler
    assert asked.outcome == pb.CANCEL_OUTCOME_STOPPING
    assert asked.test.state == test_pb2.TEST_STATE_QUEUED
    assert asked.test.HasField("cancellation")


async def test_cancelling_a_test_that_ended_changes_nothing(stage: Stage, alice: Client) -> None:
    test = await alice.submit()
    await stage.others.started(test.id)
    await stage.others.completed(test.id)
    done = await alice.call("CancelTest", pb.CancelTestRequest(test_id=test.id))
    assert done.outcome == pb.CANCEL_OUTCOME_ALREADY_ENDED
    assert not done.test.HasField("cancellation")


async def test_a_reason_that_is_too_long_is_refused(alice: Client) -> None:
    error = await refused(alice.call("CancelTest", pb.CancelTestRequest(test_id="x", reason="r" * 501)))
    assert "reason" in violations_of(error)


# -- the queue, and what comes later


async def test_the_queue_tells_its_figures(stage: Stage, alice: Client) -> None:
    bob = await stage.client("bob")
    await Slots(stage.others.database).ensure(4)
    for client, count in ((alice, 3), (bob, 2)):
        for _ in range(count):
            await stage.others.queued((await client.submit()).id)
    running = await alice.submit()
    await stage.others.database["slots"].update_one({"_id": 0}, {"$set": {"test_id": running.id, "user_id": "alice"}})
    status = (await alice.call("GetQueueStatus", queue_service_pb2.GetQueueStatusRequest())).status
    assert (status.pending, status.running, status.capacity, status.utilization) == (5, 1, 4, 0.25)
    assert (status.own_pending, status.own_running) == (3, 1)
    assert status.HasField("oldest_pending_age")
    assert not status.HasField("average_wait")


async def test_a_server_without_a_bucket_makes_no_packages(alice: Client) -> None:
    packages = package_service_pb2_grpc.PackageServiceStub(alice.channel)
    wanted = package_service_pb2.GeneratePackageRequest(test_id="x")
    error = await refused(packages.GeneratePackage(wanted, metadata=alice.metadata))  # this one has no bucket
    assert (error.code(), details_of(error)["ErrorInfo"].reason) == (Code.UNIMPLEMENTED, "NO_PACKAGES")


async def test_a_method_that_does_not_exist_is_unimplemented(alice: Client) -> None:
    call = alice.channel.unary_unary("/assay.v1.TestService/Nonsense", None, None)
    assert (await refused(call(b"", metadata=alice.metadata))).code() is Code.UNIMPLEMENTED


# -- what tools and load balancers ask, without a key


async def test_health_and_reflection_need_no_key(stage: Stage, alice: Client) -> None:
    health = health_pb2_grpc.HealthStub(alice.channel)
    for service in ("", "assay.v1.TestService"):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert (await refused(health.Check(health_pb2.HealthCheckRequest(service="x")))).code() is Code.NOT_FOUND
    reflection = reflection_pb2_grpc.ServerReflectionStub(alice.channel)
    stream = reflection.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    names = {service.name async for answer in stream for service in answer.list_services_response.service}
    assert {
        "assay.v1.TestService",
        "assay.v1.QueueService",
        "assay.v1.AccountService",
        "grpc.health.v1.Health",
    } <= names


async def test_an_expired_deadline_ends_the_call(stage: Stage, alice: Client) -> None:
    test = await alice.submit()
    for call in (
        # Not 0: a deadline of this very moment may be met.
        alice.call("GetTest", pb.GetTestRequest(test_id=test.id), timeout=-1.0),
        alice.stream("WatchTest", pb.WatchTestRequest(test_id=test.id), timeout=-1.0).read(),
    ):
        assert (await refused(call)).code() is Code.DEADLINE_EXCEEDED
    assert stage.live.followed == 0


# -- repeating


async def ended(stage: Stage, client: Client, **fields: Any) -> str:
    """A test that has failed, without anybody to run it."""
    test = await client.submit(**fields)
    change = {"$set": {"state": "FAILED", "times.finished": datetime.now(UTC)}}
    await stage.others.database["executions"].update_one({"_id": test.id}, change)
    return str(test.id)


async def again(client: Client, test_id: str, **fields: Any) -> test_pb2.Test:
    request = pb.RetryTestRequest(test_id=test_id, **fields)
    answer: pb.RetryTestResponse = await client.tests.RetryTest(request, metadata=client.metadata)
    return answer.test


async def chain_of(client: Client, test_id: str) -> list[test_pb2.Test]:
    answer = await client.tests.GetRetryChain(pb.GetRetryChainRequest(test_id=test_id), metadata=client.metadata)
    return list(answer.tests)


async def test_a_retry_is_the_same_test_again_with_another_query_if_wanted(stage: Stage, alice: Client) -> None:
    first = await ended(stage, alice, query="one", requirements=["six==1.16.0"], labels={"team": "red"}, name="mine")
    same, other = await again(alice, first), await again(alice, first, query="two")
    kept = ("name", "agent_id", "agent_name", "timeout", "priority", "labels")
    original = (await alice.tests.GetTest(pb.GetTestRequest(test_id=first), metadata=alice.metadata)).test
    for test in (same, other):
        assert [getattr(test.spec, name) for name in kept] == [getattr(original.spec, name) for name in kept]
        assert (test.state, test.attempt) == (test_pb2.TEST_STATE_SUBMITTED, 0)
    full = (await alice.tests.GetTest(pb.GetTestRequest(test_id=other.id), metadata=alice.metadata)).test
    assert (full.spec.agent_code, list(full.spec.requirements)) == (CODE, ["six==1.16.0"])
    assert (same.spec.query, other.spec.query) == ("one", "two")


async def test_an_empty_query_is_a_query(stage: Stage, alice: Client) -> None:
    assert (await again(alice, await ended(stage, alice, query="one"), query="")).spec.query == ""


async def test_a_retry_of_a_retry_joins_the_chain_of_the_original(stage: Stage, alice: Client) -> None:
    first = await ended(stage, alice)
    second = await again(alice, first)
    await stage.others.database["executions"].update_one({"_id": second.id}, {"$set": {"state": "COMPLETED"}})
    third = await again(alice, second.id)
    for test_id in (first, second.id, third.id):
        links = await chain_of(alice, test_id)
        assert [link.id for link in links] == [first, second.id, third.id]
        told = [(link.retry.original_test_id, link.retry.retry_of, link.retry.retry_number) for link in links]
        assert told == [("", "", 0), (first, first, 1), (first, second.id, 2)]
    alone = await ended(stage, alice)
    assert [link.id for link in await chain_of(alice, alone)] == [alone]


async def test_retries_made_at_once_have_numbers_of_their_own(stage: Stage, alice: Client) -> None:
    first = await ended(stage, alice)
    made = await asyncio.gather(*(again(alice, first) for _ in range(12)))
    assert sorted(test.retry.retry_number for test in made) == list(range(1, 13))
    assert len(await chain_of(alice, first)) == 13


async def test_a_retry_asked_twice_with_one_id_is_one(stage: Stage, alice: Client) -> None:
    first = await ended(stage, alice)
    same = {(await again(alice, first, query="q", request_id="once")).id for _ in range(3)}
    assert len(same) == 1
    error = await refused(again(alice, first, query="another", request_id="once"))
    assert error.code() is Code.ALREADY_EXISTS
    submission = pb.SubmitTestRequest(spec=spec(), request_id="once")
    assert (await refused(alice.tests.SubmitTest(submission, metadata=alice.metadata))).code() is Code.ALREADY_EXISTS


async def test_what_cannot_be_repeated_says_why(stage: Stage, alice: Client) -> None:
    waiting = await alice.tests.SubmitTest(pb.SubmitTestRequest(spec=spec()), metadata=alice.metadata)
    error = await refused(again(alice, waiting.test.id))
    assert error.code() is Code.FAILED_PRECONDITION
    assert details_of(error)["ErrorInfo"].metadata["state"] == "SUBMITTED"
    bob = await stage.client("bob")
    ended_test = await ended(stage, alice)
    for stranger in (again(bob, ended_test), chain_of(bob, ended_test)):
        assert (await refused(stranger)).code() is Code.NOT_FOUND
    error = await refused(again(alice, ended_test, query="x" * (64 * 1024 + 1), request_id="a b"))
    assert set(violations_of(error)) == {"query", "request_id"}
