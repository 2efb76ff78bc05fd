"""What `Aws.call` promises: retries, deadlines, rates, and a loop that never waits for a thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from shared.aws.connect import Aws
from shared.aws.failures import AwsError, Kind
from shared.aws.rates import Api
from shared.aws.settings import AwsSettings
from tests.support.fakes.scripted_ecs import DISGUISED, THROTTLED, Refused, ScriptedCloud
from tests.support.instant import LoopClock
from tests.support.scripted_aws import in_no_time, scripted_aws

DENIED = Refused("AccessDeniedException", "no")


def scene() -> tuple[ScriptedCloud, Aws]:
    cloud = ScriptedCloud(LoopClock())
    return cloud, scripted_aws(cloud)


def describe(aws: Aws) -> Callable[[], object]:
    return lambda: aws.ecs.describe_clusters(clusters=["tests"])


@pytest.mark.parametrize("error", [THROTTLED, DISGUISED, Refused("ServerException", "x", 500)])
@in_no_time
async def test_what_may_pass_is_tried_until_it_has(error: Refused) -> None:
    cloud, aws = scene()
    cloud.fail("DescribeClusters", error, times=5)
    await aws.call(Api.DESCRIBE_CLUSTERS, describe(aws))
    assert aws.calls[Api.DESCRIBE_CLUSTERS] == 6


@in_no_time
async def test_what_does_not_pass_is_told_at_once() -> None:
    cloud, aws = scene()
    cloud.fail("DescribeClusters", DENIED)
    with pytest.raises(AwsError) as found:
        await aws.call(Api.DESCRIBE_CLUSTERS, describe(aws))
    assert found.value.kind is Kind.DENIED
    assert aws.calls[Api.DESCRIBE_CLUSTERS] == 1


@in_no_time
async def test_a_call_ends_by_its_deadline_whatever_aws_says() -> None:
    cloud, aws = scene()
    cloud.fail("DescribeClusters", THROTTLED, times=10_000)
    loop = asyncio.get_running_loop()
    with pytest.raises(AwsError) as found:
        await aws.call(Api.DESCRIBE_CLUSTERS, describe(aws))
    assert found.value.kind is Kind.THROTTLED
    assert loop.time() <= Api.DESCRIBE_CLUSTERS.deadline_s
    assert aws.calls[Api.DESCRIBE_CLUSTERS] < 60  # and not ten a second


@in_no_time
async def test_an_answer_that_is_lost_is_asked_for_again() -> None:
    cloud, aws = scene()
    cloud.fail("DescribeClusters", None, times=2, answer_lost=True)
    await aws.call(Api.DESCRIBE_CLUSTERS, describe(aws))
    assert aws.calls[Api.DESCRIBE_CLUSTERS] == 3


@in_no_time
async def test_calls_of_one_api_wait_for_their_turn_and_others_do_not() -> None:
    cloud, aws = scene()
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(aws.call(Api.DESCRIBE_CLUSTERS, describe(aws)) for _ in range(30)))
    assert loop.time() == pytest.approx(2.0, abs=0.2)  # ten at once, then ten a second
    began = loop.time()
    await aws.call(Api.LIST_TASKS, lambda: aws.ecs.list_tasks(cluster="tests"))
    assert loop.time() == began
    assert len(cloud.calls) == 31


@in_no_time
async def test_a_call_that_cannot_have_its_turn_before_its_deadline_does_not_wait_for_it() -> None:
    _, aws = scene()
    loop = asyncio.get_running_loop()
    answers = await asyncio.gather(
        *(aws.call(Api.DESCRIBE_CLUSTERS, describe(aws)) for _ in range(400)), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, AwsError)]
    assert {error.kind for error in refused} == {Kind.THROTTLED}
    assert 150 < len(refused) < 250
    assert loop.time() < Api.DESCRIBE_CLUSTERS.deadline_s + 1


async def test_a_call_that_blocks_its_thread_holds_nobody_else_up() -> None:
    aws = await Aws.open(AwsSettings(aws_bucket="bucket"))
    try:
        async with asyncio.TaskGroup() as tasks:
            slow = [tasks.create_task(aws.call(Api.DESCRIBE_CLUSTERS, lambda: time.sleep(0.3))) for _ in range(8)]
            longest = 0.0
            while not all(one.done() for one in slow):
                before = time.monotonic()
                await asyncio.sleep(0.005)
                longest = max(longest, time.monotonic() - before)
        assert longest < 0.2
    finally:
        aws.close()


async def test_a_call_that_never_returns_is_given_up_at_its_deadline() -> None:
    aws = await Aws.open(AwsSettings(aws_bucket="bucket"))
    free = asyncio.Event()
    try:
        loop = asyncio.get_running_loop()

        def hang() -> None:
            asyncio.run_coroutine_threadsafe(free.wait(), loop).result()

        with pytest.raises(AwsError) as found:
            await aws._once(Api.DESCRIBE_CLUSTERS, loop.time() + 0.1, hang)
        assert found.value.kind is Kind.UNAVAILABLE
    finally:
        free.set()
        await asyncio.sleep(0)
        aws.close()
