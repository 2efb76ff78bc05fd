"""What is read from CloudWatch, on a clock of its own: completeness, latency, and how many calls it takes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Coroutine, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fakes.scripted_logs import DENIED, EXPIRED, THROTTLED, ScriptedLogs
from tests.support.instant import LoopClock, instantly
from tests.unit.logstreamer.cloud import PACE, Task, TimedChunks, cloud
from tests.unit.logstreamer.protocol import mark, written

NETWORK_S = 0.3
ROOT = Path(__file__).resolve().parents[3]


def on_an_instant_loop(story: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """The story as a plain test."""

    @wraps(story)
    def test(**fixtures: Any) -> None:
        instantly(story(**fixtures))

    return test


async def passes(seconds: float) -> None:
    """Time on the instant loop."""
    await asyncio.sleep(seconds)


# -- nothing is lost, doubled or out of order


class Written(NamedTuple):
    pause_s: float
    size: float
    """of the text, in 16 KiB"""
    late_s: float
    apart_s: Sequence[float]
    """by which its pieces are later still"""


@st.composite
def deliveries(draw: st.DrawFn) -> list[Written]:
    late = st.one_of(st.just(0.0), st.floats(0, 3), st.floats(0, 50))
    pause = st.one_of(st.just(0.0), st.floats(0, 2), st.floats(0, 40))
    size = st.sampled_from([0, 0, 0, 0, 1.2, 2.5])
    apart = st.lists(st.floats(0, 3), min_size=4, max_size=4)
    return [Written(draw(pause), draw(size), draw(late), draw(apart)) for _ in range(draw(st.integers(0, 12)))]


@settings(max_examples=40)
@given(deliveries(), st.floats(0, 50), st.integers(2, 9), st.integers(0, 3))
def test_whatever_the_order_delay_and_repetition_the_lines_are_those_of_the_source_in_order_and_once(
    delivery: list[Written], end_late_s: float, page_events: int, repeated: int
) -> None:
    long = '{"x": 1}'

    async def story() -> None:
        async with cloud(page_events=page_events, repeated=repeated) as world:
            task = world.task("a")
            other = world.task("b")
            for seq, one in enumerate(delivery, start=1):
                await passes(one.pause_s)
                line = written(seq, long * round(one.size * 2048)).decode()
                for number, start in enumerate(range(0, len(line), 16_384)):
                    world.logs.write("a", line[start : start + 16_384], late_s=one.late_s + one.apart_s[number])
                other.write(late_s=one.late_s)
            world.logs.write("a", mark("end", lines=len(delivery)).decode(), late_s=end_late_s)
            other.finish()
            task.stop()
            other.stop()
            await passes(70)
            assert task.numbers == list(range(1, len(delivery) + 1))
            assert other.numbers == task.numbers
            texts = {line.seq: line.text for chunk in task.chunks.chunks for line in chunk.lines}
            assert all(texts[n] == long * round(one.size * 2048) for n, one in enumerate(delivery, 1) if one.size)
            assert (task.account.complete, other.account.complete) == (True, True)

    instantly(story())


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 30)), min_size=1, max_size=15), st.lists(st.floats(0.5, 20)))
def test_whoever_takes_over_reads_on_from_what_is_stored_and_misses_nothing(
    delivery: list[tuple[float, float]], lives: list[float]
) -> None:
    async def story() -> None:
        logs, chunks = ScriptedLogs(LoopClock()), TimedChunks()
        logs.stream("a")

        async def writing() -> None:
            for seq, (pause, late) in enumerate(delivery, start=1):
                await passes(pause)
                logs.write("a", written(seq).decode(), late_s=late)
            logs.write("a", mark("end", lines=len(delivery)).decode())

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(writing())
            for life in lives:
                async with cloud(logs) as world:
                    task = Task(world, "a", chunks=chunks)
                    await passes(life)
                if task.test.told:
                    break
            else:
                async with cloud(logs) as world:
                    task = Task(world, "a", chunks=chunks)
                    await passes(120)
                    task.stop()
                    await passes(70)
        assert sorted(set(chunks.numbers)) == list(range(1, len(delivery) + 1))
        assert task.account.complete

    instantly(story())


@on_an_instant_loop
async def test_a_silent_task_is_heard_when_all_of_its_lines_come_minutes_late() -> None:
    async with cloud() as world:
        task = world.task("a")
        chatty = world.task("b")
        for _ in range(100):
            task.write(late_s=300)
            chatty.write()
            await passes(1)
        task.finish(late_s=300)
        await passes(400)
        assert task.account.complete
        assert chatty.numbers == list(range(1, 101))


@on_an_instant_loop
async def test_an_emulator_without_tokens_is_read_to_its_end() -> None:
    async with cloud(has_tokens=False) as world:
        task = world.task("a")
        for number in range(250):
            task.write(100, at_ms=world.logs.now_ms + number)
        task.finish(at_ms=world.logs.now_ms + 250)
        await passes(10)
        assert task.account.complete
        assert task.numbers == list(range(1, 25_001))


@on_an_instant_loop
async def test_a_long_output_that_is_caught_up_with_holds_nobody_up() -> None:
    async with cloud(page_events=100) as world:
        chatty = world.task("b")
        await passes(10)
        world.logs.stream("a")
        for number in range(20_000):
            world.logs.write("a", written(number + 1).decode(), at_ms=world.logs.now_ms - 59_000 + number)
        world.logs.write("a", mark("end", lines=20_000).decode())
        task = world.task("a")
        begun = asyncio.get_running_loop().time()
        for _ in range(30):
            chatty.write()
            await passes(1)
        await passes(3)
        assert max(chatty.chunks.stored_at[n] - begun - (n - 1) for n in chatty.numbers) < 5
        await passes(60)
        assert task.account.complete
        assert len(chatty.numbers) == 30


@on_an_instant_loop
async def test_lines_that_the_log_driver_dropped_hold_up_those_who_read_along_for_a_while_and_not_for_ever() -> None:
    async with cloud() as world:
        task = world.task("a")
        task.write(3)
        task.write(2, late_s=1e9)  # never
        for _ in range(100):
            task.write()
            await passes(1)
        assert task.numbers[:4] == [1, 2, 3, 6]
        assert 90 <= task.chunks.stored_at[6] <= 96
        since = asyncio.get_running_loop().time()
        for _ in range(60):
            task.write()
            await passes(1)
        assert len(task.numbers) >= 160
        assert world.calls(since) <= 60 * 2.5
        task.finish()
        task.stop()
        await passes(66)
        account = task.account
        assert (account.expected, account.received, account.missing) == (165, 163, ((4, 5),))


@on_an_instant_loop
async def test_a_line_that_comes_after_its_hole_was_stepped_over_is_stored_all_the_same() -> None:
    async with cloud() as world:
        task = world.task("a")
        task.write(3)
        task.write(late_s=120)
        for _ in range(200):
            task.write()
            await passes(1)
        task.finish()
        task.stop()
        await passes(10)
        assert sorted(task.numbers) == list(range(1, 205))
        assert len(task.numbers) == 204
        assert task.account.complete


# -- how soon


async def talking(task: Task) -> None:
    """A line every quarter of a second, for two minutes."""
    for _ in range(480):
        task.write()
        await passes(0.25)


@pytest.mark.parametrize(
    ("quiet_s", "interval_s"), [(0.0, PACE.fastest_s), (5.0, PACE.usual_s), (100.0, PACE.slowest_s)]
)
def test_a_line_is_there_after_one_interval_at_most(quiet_s: float, interval_s: float) -> None:
    @on_an_instant_loop
    async def story() -> None:
        async with cloud() as world:
            tasks = [world.task(f"s{number}") for number in range(10)]
            await passes(1)
            await passes(PACE.slowest_s + 0.1)
            if not quiet_s:
                world.tasks.create_task(talking(tasks[9]))
                await passes(PACE.usual_s)
            for n in range(40):
                await passes(max(quiet_s, 1) + n * 0.037)
                tasks[1].write()
                begun = asyncio.get_running_loop().time()
                seq = n + 1
                while seq not in tasks[1].chunks.stored_at:
                    await passes(0.01)
                assert tasks[1].chunks.stored_at[seq] - begun <= interval_s + NETWORK_S

    story()


@on_an_instant_loop
async def test_the_first_line_of_tasks_that_start_together_is_soon_there() -> None:
    async with cloud() as world:
        tasks = [world.task(f"s{number}", exists=False) for number in range(100)]
        await passes(40)
        for task in tasks:
            task.write()
        begun = asyncio.get_running_loop().time()
        await passes(20)
        assert all(task.numbers == [1] for task in tasks)
        assert max(task.chunks.stored_at[1] - begun for task in tasks) < 10


# -- how many calls


@pytest.mark.parametrize("count", [1, 10, 100, 500])
def test_the_number_of_calls_does_not_depend_on_the_number_of_tests_below_a_hundred(count: int) -> None:
    @on_an_instant_loop
    async def story() -> None:
        async with cloud() as world:
            tasks = [world.task(f"s{number}") for number in range(count)]
            await passes(60)
            assert all(task.follower is not None for task in tasks)
            hundreds = -(-count // 100)
            for flow, per_second in ((False, 1 / PACE.slowest_s), (True, 1 / PACE.fastest_s)):
                since = asyncio.get_running_loop().time()
                for _ in range(120):
                    if flow:
                        for task in tasks:
                            task.write()
                    await passes(0.5)
                rate = world.calls(since) / 60
                looks = per_second if hundreds == 1 else min(per_second, 4 / hundreds)
                # One more call in a look now and then, for those that are silent for long.
                assert rate <= looks * hundreds * 1.6 + 0.1
            await passes(20)
            assert all(len(task.numbers) == 120 for task in tasks)

    story()


@on_an_instant_loop
async def test_a_look_at_up_to_a_hundred_streams_is_one_call_and_its_pages() -> None:
    async with cloud(page_events=50) as world:
        tasks = [world.task(f"s{number}") for number in range(100)]
        await passes(30)
        for task in tasks:
            task.write()
        before = len(world.logs.calls)
        await passes(PACE.slowest_s + 0.1)
        first = [call for call in world.logs.calls[before:] if call.streams == 100]
        assert [call.page for call in first][:2] == [0, 1]
        by_time = {call.at for call in first}
        assert all(sum(call.at == at and call.page == 0 for call in first) == 1 for at in by_time)


@on_an_instant_loop
async def test_streams_that_are_not_there_yet_cost_few_calls_and_hide_nobody() -> None:
    async with cloud() as world:
        here = world.task("here")
        await passes(5)
        missing = [world.task(f"s{number}", exists=False) for number in range(99)]
        since = asyncio.get_running_loop().time()
        for _ in range(60):
            here.write()
            await passes(1)
        assert here.numbers == list(range(1, 60 + 1))[: len(here.numbers)]
        assert len(here.numbers) >= 59
        # Five calls a look at most: the common one, and four that look for others.
        assert world.calls(since) / 60 <= 5 / PACE.fastest_s
        for task in missing:
            task.write()
            task.finish()
        await passes(20)
        assert all(task.account.complete for task in missing)


# -- what goes wrong


@on_an_instant_loop
async def test_a_stream_that_was_deleted_hides_nobody_and_says_what_is_missing() -> None:
    async with cloud() as world:
        tasks = [world.task(f"s{number}") for number in range(50)]
        await passes(5)
        for task in tasks:
            task.write()
        await passes(5)
        del world.logs.groups["/assay/tests"]["s7"]
        for task in (tasks[0], tasks[49]):
            task.write()
            task.finish()
        await passes(15)
        assert tasks[0].account.complete
        assert tasks[49].account.complete
        tasks[7].stop()
        await passes(25)
        assert (tasks[7].account.complete, tasks[7].account.expected, tasks[7].account.received) == (False, None, 1)


@on_an_instant_loop
async def test_a_group_that_is_deleted_in_the_middle_ends_its_logs_openly_and_no_others() -> None:
    async with cloud() as world:
        world.logs.groups["/other"] = {}
        task, other = world.task("a"), world.task("a", group="/other")
        await passes(5)
        task.write(3)
        other.write(3)
        await passes(5)
        world.logs.delete()
        since = asyncio.get_running_loop().time()
        for _ in range(30):
            task.write()
            other.write()
            await passes(1)
        gone = [call for call in world.logs.calls if call.group == "/assay/tests"]
        assert sum(call.at > gone[-1].at - 20 for call in gone) <= 6
        other.finish()
        task.stop()
        await passes(30)
        assert other.account.complete
        assert other.numbers == list(range(1, 34))
        assert (task.account.complete, task.account.received) == (False, 3)
        assert world.calls(since) < 200


@on_an_instant_loop
async def test_a_task_that_never_started_has_no_stream_and_its_log_is_closed_sooner() -> None:
    async with cloud() as world:
        task = world.task("a", exists=False)
        await passes(3)
        task.stop()
        await passes(14)
        assert task.test.told == []
        await passes(8)
        assert (task.account.expected, task.account.received, task.account.complete) == (None, 0, False)


@on_an_instant_loop
async def test_a_line_that_comes_within_a_minute_of_the_end_is_not_lost() -> None:
    async with cloud() as world:
        task = world.task("a")
        task.write()
        task.write(late_s=55)
        task.write(2)
        task.finish()
        await passes(1)
        task.stop()
        await passes(50)
        assert task.test.told == []
        await passes(12)
        assert (task.account.complete, task.numbers) == (True, [1, 2, 3, 4])


@on_an_instant_loop
async def test_without_an_end_mark_the_log_is_closed_after_a_minute_and_says_so() -> None:
    async with cloud() as world:
        task = world.task("a")
        task.write(2)
        task.write(late_s=1e9)
        task.write(2)
        await passes(5)
        task.stop()
        await passes(59)
        assert task.test.told == []
        await passes(5)
        account = task.account
        assert (account.expected, account.received, account.complete, account.missing) == (None, 4, False, ((3, 3),))


@pytest.mark.parametrize("refusal", [THROTTLED, EXPIRED, DENIED], ids=["throttled", "expired", "denied"])
def test_while_aws_refuses_it_is_asked_less_often_and_nothing_is_lost_or_called_incomplete(
    refusal: tuple[str, str],
) -> None:
    @on_an_instant_loop
    async def story() -> None:
        async with cloud() as world:
            task = world.task("a")
            await passes(5)
            task.write(5)
            world.logs.refuses = lambda: refusal
            since = asyncio.get_running_loop().time()
            task.finish()
            task.stop()
            await passes(180)
            assert world.calls(since) <= 12
            assert task.test.told == []
            world.logs.refuses = lambda: None
            await passes(35)
            assert task.account.complete

    story()


@on_an_instant_loop
async def test_while_nothing_can_be_read_a_log_is_not_kept_open_for_ever() -> None:
    async with cloud() as world:
        task = world.task("a")
        await passes(5)
        world.logs.refuses = lambda: DENIED
        task.stop()
        await passes(590)
        assert task.test.told == []
        await passes(20)
        assert not task.account.complete


@on_an_instant_loop
async def test_what_is_not_of_the_protocol_holds_up_no_line() -> None:
    async with cloud() as world:
        task = world.task("a")
        world.logs.write("a", "exec /usr/bin/python3: exec format error")
        world.logs.write("a", '{"seq":1,"ts":1.0,"stream":"stdout","level":"info","text":"cut off and never')
        task.write(2)
        await passes(3)
        assert task.numbers == [1, 2]
        await passes(15)
        task.write()
        task.finish()
        await passes(5)
        assert task.account.complete
        assert json.loads(json.dumps(dict(task.chunks.chunks[-1].cursor)))["ms"] > 0


@on_an_instant_loop
async def test_one_way_is_opened_for_a_region_and_the_reader_ends_with_its_last_follower() -> None:
    async with cloud() as world:
        assert world.opened == []
        for name in ("a", "b"):
            task = world.task(name)
            task.finish()
        await passes(10)
        assert world.opened == ["eu-west-1"]
        assert not world.source._readers
        calls = len(world.logs.calls)
        await passes(60)
        assert len(world.logs.calls) == calls
        task = world.task("c")
        task.write()
        task.finish()
        await passes(10)
        assert task.account.complete
    assert world.aws.closed


SOURCES: dict[str, tuple[dict[str, Any], bool]] = {
    "whole": ({"region": "r", "group": "g", "stream": "s"}, True),
    "without a region": ({"group": "g", "stream": "s"}, False),
    "without a group": ({"region": "r", "group": "", "stream": "s"}, False),
    "with a number": ({"region": "r", "group": "g", "stream": 7}, False),
}


@pytest.mark.parametrize(("log_source", "readable"), SOURCES.values(), ids=SOURCES.keys())
def test_only_a_place_that_is_named_in_full_can_be_read(log_source: dict[str, Any], readable: bool) -> None:
    @on_an_instant_loop
    async def story() -> None:
        async with cloud() as world:
            assert world.source.reads(log_source) is readable

    story()


def test_who_reads_no_cloudwatch_does_not_load_boto3() -> None:
    program = "import sys, services.logstreamer.app; sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
