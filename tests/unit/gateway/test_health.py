"""From reports and the time to how everything is, and what is remembered of reports."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from assay.v1 import admin_service_pb2 as pb
from services.gateway.health.cloud import CloudSight
from services.gateway.health.judgement import SERVICES, Heard, dependency, overall, replicas
from services.gateway.health.roster import MOST, REMEMBERED, Roster
from shared.aws.kinds import AwsError, Kind
from shared.clock import ManualClock
from shared.telemetry.health import Looked
from shared.telemetry.report import Checked, Error, Report

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
STARTED = NOW - timedelta(hours=1)
HEALTHY, DEGRADED, UNHEALTHY = pb.HEALTH_STATE_HEALTHY, pb.HEALTH_STATE_DEGRADED, pb.HEALTH_STATE_UNHEALTHY


def report(service: str = "scheduler", instance: str = "one", **more: Any) -> Report:
    values: dict[str, Any] = {
        "version": "1.0",
        "started_at": STARTED,
        "checks": (Checked(name="mongodb", took_s=0.001), Checked(name="nats")),
        **more,
    }
    return Report(service=service, instance=instance, **values)


def heard(service: str = "scheduler", instance: str = "one", *, ago: float = 0.0, **more: Any) -> Heard:
    return Heard(report(service, instance, **more), NOW - timedelta(seconds=ago))


def judged(*of_scheduler: Heard) -> list[pb.ServiceHealth]:
    return [one for one in replicas(of_scheduler, NOW) if one.service == "scheduler"]


def overall_of(*of_scheduler: Heard, dependencies: tuple[Looked, ...] = ()) -> pb.HealthState.ValueType:
    """With all other services well."""
    others = [heard(name) for name in SERVICES if name != "scheduler"]
    return overall(replicas([*others, *of_scheduler], NOW), [dependency(one) for one in dependencies])


def test_a_replica_is_told_as_it_reported() -> None:
    error = Error(message="event_is_dead: no", at=NOW - timedelta(minutes=5))
    (found,) = judged(heard(ago=1.5, lag_s=0.25, last_error=error))
    assert (found.service, found.instance, found.version, found.state) == ("scheduler", "one", "1.0", HEALTHY)
    assert [(check.name, check.state, check.detail) for check in found.checks] == [
        ("mongodb", HEALTHY, ""),
        ("nats", HEALTHY, ""),
    ]
    assert found.checks[0].latency.ToTimedelta() == timedelta(milliseconds=1)
    assert found.start_time.ToDatetime(UTC) == STARTED
    assert found.last_seen_time.ToDatetime(UTC) == NOW - timedelta(seconds=1.5)
    assert found.lag.ToTimedelta() == timedelta(milliseconds=250)
    assert (found.last_error.message, found.last_error.time.ToDatetime(UTC)) == (error.message, error.at)


def test_a_check_that_fails_makes_its_replica_unhealthy_and_says_what_is_wrong() -> None:
    (found,) = judged(heard(checks=(Checked(name="mongodb", problem="no answer within 1 s"), Checked(name="nats"))))
    assert found.state == UNHEALTHY
    assert (found.checks[0].state, found.checks[0].detail) == (UNHEALTHY, "no answer within 1 s")
    assert not found.HasField("last_error")


@pytest.mark.parametrize(
    ("silent_s", "state"),
    [(5.9, HEALTHY), (6.0, UNHEALTHY), (15.0, UNHEALTHY)],
)
def test_the_only_replica_of_a_service_may_be_silent_for_6_s(silent_s: float, state: pb.HealthState.ValueType) -> None:
    (found,) = judged(heard(ago=silent_s))
    assert found.state == state
    details = [check.detail for check in found.checks if check.name == "report"]
    assert details == ([] if state == HEALTHY else [f"not heard from for {silent_s:.0f} s"])


@pytest.mark.parametrize(
    ("silent_s", "state"),
    [(9.9, HEALTHY), (10.0, DEGRADED), (29.9, DEGRADED), (30.0, UNHEALTHY), (500.0, UNHEALTHY)],
)
def test_a_replica_beside_others_may_be_silent_for_longer(silent_s: float, state: pb.HealthState.ValueType) -> None:
    one, other = judged(heard(instance="one", ago=silent_s), heard(instance="two"))
    assert (one.state, other.state) == (state, HEALTHY)
    expected = HEALTHY if state == HEALTHY else DEGRADED  # the service works all the same
    assert overall_of(heard(instance="one", ago=silent_s), heard(instance="two")) == expected


def test_replicas_that_are_all_silent_are_unhealthy_together() -> None:
    assert [one.state for one in judged(heard(ago=7), heard(instance="two", ago=300))] == [UNHEALTHY, UNHEALTHY]
    assert overall_of(heard(ago=7), heard(instance="two", ago=300)) == UNHEALTHY


@pytest.mark.parametrize(("name", "detail"), [("starting", "is starting"), ("draining", "is shutting down")])
def test_a_replica_that_takes_up_no_work_is_degraded_and_its_service_down_without_another(
    name: str, detail: str
) -> None:
    more: dict[str, Any] = {name: True}
    one = heard(**more)
    (found,) = judged(one)
    assert (found.state, found.checks[-1].detail) == (DEGRADED, detail)
    assert overall_of(one) == UNHEALTHY
    assert overall_of(one, heard(instance="two")) == DEGRADED


def test_a_service_that_nobody_heard_of_has_an_entry_without_an_instance() -> None:
    found = replicas([heard("gateway")], NOW)
    assert [(one.service, one.instance, one.state) for one in found] == [
        ("gateway", "one", HEALTHY),
        *((name, "", UNHEALTHY) for name in SERVICES[1:]),
    ]
    assert overall_of() == UNHEALTHY


@pytest.mark.parametrize(("name", "state"), [("mongodb", UNHEALTHY), ("nats", UNHEALTHY), ("aws", DEGRADED)])
def test_what_all_depend_on_counts(name: str, state: pb.HealthState.ValueType) -> None:
    assert overall_of(heard(), dependencies=(Looked(name, "", 0.1),)) == HEALTHY
    assert overall_of(heard(), dependencies=(Looked(name, "away", 0.1),)) == state


class Room:
    def __init__(self) -> None:
        self.clock = ManualClock(NOW)
        self.roster = Roster(self.clock)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    @property
    def names(self) -> list[str]:
        return [one.report.instance for one in self.roster.everybody()]


def test_reports_are_remembered_for_ten_minutes() -> None:
    room = Room()
    room.roster.hear(report())
    room.pass_time(REMEMBERED.total_seconds())
    assert room.names == ["one"]
    room.pass_time(1)
    assert room.names == []


def test_a_last_report_forgets_the_replica_and_not_the_one_that_took_its_name() -> None:
    room = Room()
    room.roster.hear(report())
    room.roster.hear(report(leaving=True))
    assert room.names == []
    room.roster.hear(report(started_at=NOW))
    room.roster.hear(report(leaving=True))  # the old one's, which came late
    assert room.names == ["one"]


def test_what_is_no_service_of_ours_is_not_remembered_and_there_is_an_end_to_replicas() -> None:
    room = Room()
    room.roster.hear(report("something"))
    for number in range(MOST + 5):
        room.roster.hear(report(instance=str(number)))
    assert len(room.names) == MOST
    assert room.names[0] == "5"


async def test_the_roster_is_complete_when_every_replica_was_heard_of_just_now() -> None:
    room = Room()
    for name in SERVICES:
        assert not room.roster.complete()
        room.roster.hear(report(name))
    assert room.roster.complete()
    room.pass_time(4)
    assert not room.roster.complete()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(room.roster.when_complete())
        for name in SERVICES:
            await asyncio.sleep(0)
            assert not waiting.done()
            room.roster.hear(report(name))


def test_a_replica_that_starts_is_asked_again() -> None:
    room = Room()
    for name in SERVICES:
        room.roster.hear(report(name, starting=name == "scheduler"))
    assert not room.roster.complete()
    room.roster.hear(report("scheduler"))
    assert room.roster.complete()


def test_a_replica_that_is_long_gone_is_not_waited_for() -> None:
    room = Room()
    room.roster.hear(report("scheduler", "gone"))
    room.pass_time(31)
    for name in SERVICES:
        room.roster.hear(report(name))
    assert room.roster.complete()


class FakeCloud:
    """AWS as a test wants it to be."""

    used = True
    log_group = "/assay/tests"

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None
        self.size: int | None = 1234
        self.answers = asyncio.Event()
        self.answers.set()

    async def check(self) -> None:
        self.asked += 1
        await self.answers.wait()
        if self.error is not None:
            raise self.error

    async def log_group_bytes(self) -> int | None:
        return self.size


async def problem(sight: CloudSight, *, limit_s: float = 10) -> str:
    looked = await sight.look(limit_s)
    assert looked
    return looked.problem


async def test_aws_is_asked_once_for_many_looks() -> None:
    cloud = FakeCloud()
    sight = CloudSight(cloud)
    async with sight.running():
        assert [await problem(sight) for _ in range(3)] == ["", "", ""]
    assert cloud.asked == 1
    assert sight.group == ("/assay/tests", 1234)


async def test_of_an_aws_that_has_said_nothing_yet_nothing_is_known_and_its_answer_is_there_for_the_next_look() -> None:
    cloud = FakeCloud()
    cloud.answers.clear()
    sight = CloudSight(cloud)
    async with sight.running():
        assert [await sight.look(0.001) for _ in range(2)] == [None, None]
        cloud.answers.set()
        assert await problem(sight) == ""
    assert cloud.asked == 1


async def test_an_aws_that_is_silent_for_long_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = FakeCloud()
    cloud.answers.clear()
    sight = CloudSight(cloud)
    monkeypatch.setattr("services.gateway.health.cloud.PATIENCE_S", 0.0)
    async with sight.running():
        assert (await problem(sight, limit_s=0.001)).startswith("no answer for ")


async def test_what_aws_said_before_stands_while_it_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = FakeCloud()
    sight = CloudSight(cloud)
    monkeypatch.setattr("services.gateway.health.cloud.GOOD_S", 0.0)
    async with sight.running():
        assert await problem(sight) == ""
        cloud.answers.clear()
        assert await problem(sight, limit_s=0.001) == ""
    assert cloud.asked == 2


async def test_an_aws_that_refuses_is_asked_again_and_one_that_only_forbids_to_look_is_there() -> None:
    cloud = FakeCloud()
    sight = CloudSight(cloud)
    cloud.size = None
    async with sight.running():
        cloud.error = AwsError(Kind.CREDENTIALS, "HeadBucket", "ExpiredToken", "the token has expired")
        assert "the token has expired" in await problem(sight)
        cloud.error = AwsError(Kind.DENIED, "HeadBucket", "403", "Forbidden")
        assert await problem(sight) == ""
    assert cloud.asked == 2
    assert sight.group == ("", None)  # there is no such log group


async def test_a_look_at_aws_ends_with_the_gateway() -> None:
    cloud = FakeCloud()
    cloud.answers.clear()
    sight = CloudSight(cloud)
    async with asyncio.timeout(60):
        async with sight.running():
            await sight.look(0.001)
