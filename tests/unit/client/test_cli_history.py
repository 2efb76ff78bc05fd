"""`assay list`, `archive`, `stats`, `cancel`, `retry` and `chain` as people see them."""

import asyncio
import json
import signal
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from assay.v1 import test_pb2, test_service_pb2
from tests.support.until import until
from tests.unit.client.command import Cli
from tests.unit.client.fake_server import FakeServer, Refusal, Story, a_test, failed, passed


async def test_every_condition_reaches_the_server(cli: Cli, fake: FakeServer) -> None:
    ran = await cli(
        *("list", "-s", "failed,running", "--state", "TIMED-OUT", "--agent", "greeter", "-l", "team=blue", "-l", "ci"),
        *("--provider", "ollama", "--failure", "out-of-memory", "--since", "7d", "--until", "2026-01-31T14:00+02:00"),
        *("--text", "hello there", "--user", "bob", "--archived", "--order", "run-time", "-n", "7"),
    )
    assert (ran.code, ran.out) == (0, "no tests\n")
    [request] = fake.requests
    assert isinstance(request, test_service_pb2.ListTestsRequest)
    chosen = request.filter
    assert [test_pb2.TestState.Name(state) for state in chosen.states] == [
        "TEST_STATE_FAILED",
        "TEST_STATE_RUNNING",
        "TEST_STATE_TIMED_OUT",
    ]
    assert (chosen.agent_id, chosen.provider, chosen.failure_code) == ("greeter", "ollama", "OUT_OF_MEMORY")
    assert dict(chosen.labels) == {"team": "blue", "ci": ""}
    assert abs(datetime.now(UTC) - timedelta(days=7) - chosen.submitted_from.ToDatetime(UTC)) < timedelta(minutes=1)
    assert chosen.submitted_before.ToDatetime(UTC) == datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
    assert (chosen.text, chosen.user_id, chosen.include_archived) == ("hello there", "bob", True)
    assert (request.order, request.page_size) == (test_service_pb2.TEST_ORDER_RUN_TIME, 7)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "--state", "failed,lost"], "'lost' is none of submitted, queued"),
        (["list", "--order", "biggest"], "'biggest' is none of newest, oldest, state, run-time"),
        (["list", "--since", "yesterday"], "write a date (2026-01-31), a time (2026-01-31T14:00), or how long ago"),
        (["list", "--until", "2026-02-30"], "'2026-02-30' is no time"),
        (["list", "--since", "999999999999d"], "'999999999999d' is no length of time"),
        (["list", "--label", "=x"], "'=x' has no key: write KEY=VALUE or KEY"),
        (["list", "--since", "0001-01-01"], "--since: '0001-01-01' is too early"),
        (["list", "--until", "9999-12-31T23:59-05:00"], "--until: '9999-12-31T23:59-05:00' is too late"),
        (["list", "-n", "0"], "--limit: '0' is too small: write 1 or more"),
        (["list", "--limit", "many"], "--limit: 'many' is no whole number: write 1 or more"),
        (["logs", "tst_a", "--tail", "20000"], "--tail: '20000' is too large: write a number from 1 to 10000"),
        (["logs", "tst_a", "--from", "0"], "--from: '0' is too small: write 1 or more"),
        (["packages", "--state", "lost"], "'lost' is none of generating, ready, failed, expired"),
        (["package", "tst_a", "--port", "0"], "--port: '0' is too small: write a number from 1 to 65535"),
        (["archive", "--older-than", "7"], "'7' is no length of time: write 7d, 12h or 30m"),
        (["archive", "last"], "You have no tests yet."),
        (["archive", "tst_a", "--state", "failed"], "name tests, or say by conditions which; not both"),
        (["stats"], "AGENT|TEST"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_a_mistake_says_what_to_write(cli: Cli, fake: FakeServer, arguments: list[str], said: str) -> None:
    ran = await cli(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert "Traceback" not in ran.err


async def test_short_pages_do_not_end_a_list_and_the_next_one_begins_where_it_ended(cli: Cli, fake: FakeServer) -> None:
    fake.listed = [a_test(f"tst_{number}", "QUEUED") for number in range(6)]
    fake.page_sizes = [1, 0]
    ran = await cli("list", "--limit", "4")
    _, *rows, more = ran.out.splitlines()
    assert [row.split()[0] for row in rows] == ["tst_0", "tst_1", "tst_2", "tst_3"]
    assert more == "more: add --page-token 4"
    ran = await cli("list", "--page-token", "4", "--json")
    assert [test["id"] for test in json.loads(ran.out)["tests"]] == ["tst_4", "tst_5"]


@pytest.mark.parametrize(("page_sizes", "rows"), [([2], ["tst_0", "tst_1"]), ([0], [])], ids=["some", "none yet"])
async def test_a_long_search_that_is_interrupted_shows_what_it_found_and_where_to_go_on(
    cli: Cli, fake: FakeServer, page_sizes: list[int], rows: list[str]
) -> None:
    fake.listed = [a_test(f"tst_{number}", "QUEUED") for number in range(6)]
    fake.page_sizes = page_sizes
    fake.last_pages = 1
    process = await cli.start("list")
    await until(lambda: len(fake.requests) == 2, timeout=20)
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), 20)
    first, *others, more = out.decode().splitlines()
    assert (process.returncode, err) == (130, b"")
    assert first == "no tests so far" if not rows else first.startswith("TEST")
    assert [row.split()[0] for row in others] == rows
    assert more == f"more: add --page-token {len(rows)}"


async def test_totals_and_users_are_shown_where_they_tell_something(cli: Cli, fake: FakeServer) -> None:
    fake.listed = [failed("tst_0"), a_test("tst_1", "QUEUED"), a_test("tst_2", "QUEUED")]
    ran = await cli("list", "--totals")
    assert "USER" not in ran.out
    assert ran.out.splitlines()[-1] == "3 tests in all  QUEUED 2  FAILED 1"
    fake.listed[0].user_id = "bob\x1b[2J"
    ran = await cli("list")
    assert ran.out.splitlines()[0].split()[:3] == ["TEST", "USER", "STATE"]
    assert "bob\\x1b[2J" in ran.out
    assert "in all" not in ran.out
    assert json.loads((await cli("list", "--totals", "--json")).out)["totals"] == {"QUEUED": 2, "FAILED": 1}
    assert "totals" not in json.loads((await cli("list", "--json")).out)


async def test_archive_says_how_many_and_why_some_were_left(cli: Cli, fake: FakeServer) -> None:
    fake.stories = {"tst_a": Story([a_test("tst_a", "RUNNING")]), "tst_b": Story([a_test("tst_b", "ARCHIVED")])}
    fake.archived = test_service_pb2.ArchiveTestsResponse(
        archived_count=1, skipped_test_ids=["tst_a", "tst_b", "tst_lost"]
    )
    ran = await cli("archive", "tst_a", "tst_b", "tst_c", "tst_lost")
    assert ran == (
        0,
        (
            "1 test archived\n"
            "3 tests skipped:\n"
            "  tst_a  has not ended: RUNNING\n"
            "  tst_b  is archived already\n"
            "  tst_lost  there is no such test\n"
        ),
        "",
    )
    ran = await cli("archive", "tst_a", "--json")
    assert json.loads(ran.out) == {"count": 1, "skipped": ["tst_a", "tst_b", "tst_lost"]}


async def test_archive_by_age_and_conditions(cli: Cli, fake: FakeServer) -> None:
    fake.archived = test_service_pb2.ArchiveTestsResponse(archived_count=1200)
    ran = await cli("archive")
    assert ran.out == "1,200 tests archived\n"
    ran = await cli("archive", "--older-than", "12h", "--state", "failed", "-l", "team", "--dry-run")
    assert ran.out == "1,200 tests would be archived\n"
    await cli("archive", "--everybody")
    await cli("archive", "--user", "bob")
    plain, chosen, everybodys, bobs = fake.requests
    assert plain == test_service_pb2.ArchiveTestsRequest()
    assert everybodys == test_service_pb2.ArchiveTestsRequest(everybody=True)
    assert bobs == test_service_pb2.ArchiveTestsRequest(filter=test_service_pb2.TestFilter(user_id="bob"))
    assert isinstance(chosen, test_service_pb2.ArchiveTestsRequest)
    assert (chosen.older_than.seconds, chosen.validate_only) == (12 * 3600, True)
    assert dict(chosen.filter.labels) == {"team": ""}


async def test_stats_show_an_agent_and_one_test_against_the_others(cli: Cli, fake: FakeServer) -> None:
    stats = fake.stats.stats
    stats.agent_id, stats.agent_name, stats.ended_count, stats.success_rate = "greeter-1", "greeter", 38, 36 / 38
    for figures, mean in ((stats.run_seconds, 1.53), (stats.peak_memory_bytes, 31 * 2.0**20)):
        figures.count, figures.mean, figures.p50, figures.p95 = 37, mean, mean * 0.9, mean * 2
    ran = await cli("stats", "greeter-1")
    assert ran.out.splitlines() == [
        "greeter-1  greeter",
        "  38 tests ended, 94.7 % passed",
        "",
        "              MEAN       P50       P95  TESTS",
        "  run       1.53 s    1.38 s    3.06 s     37",
        "  memory  31.0 MiB  27.9 MiB  62.0 MiB     37",
    ]
    fake.stats.comparison.test_id = "tst_a"
    fake.stats.comparison.run_ratio, fake.stats.comparison.peak_memory_ratio = 1.2026, 1.001
    fake.listed = [a_test("tst_a", "COMPLETED")]
    ran = await cli("stats", "last")
    assert ran.out.splitlines()[1] == "  38 other tests ended, 94.7 % passed"
    assert ran.out.splitlines()[-3:] == [
        "tst_a",
        "  run 1.84 s, 1.2 × the mean of 37 others",
        "  memory 31.0 MiB, the same as the mean of 37 others",
    ]
    assert json.loads((await cli("stats", "tst_a", "--json")).out)["comparison"]["run_ratio"] == 1.2026
    asked = [sent for sent in fake.requests if isinstance(sent, test_service_pb2.GetAgentStatsRequest)]
    assert [(sent.agent_id, sent.test_id) for sent in asked] == [("greeter-1", ""), ("", "tst_a"), ("", "tst_a")]


async def test_stats_of_a_first_test_have_nothing_to_compare(cli: Cli, fake: FakeServer) -> None:
    fake.stats.stats.agent_id = "greeter"
    fake.stats.comparison.test_id = "tst_a"
    ran = await cli("stats", "tst_a")
    assert ran.out.splitlines() == [
        "greeter",
        "  no other test of this agent has ended yet",
        "",
        "tst_a",
        "  nothing to compare: it has not run, or no other test of the agent has",
    ]


@pytest.mark.parametrize(
    ("outcome", "state", "said"),
    [
        ("REMOVED_FROM_QUEUE", "FAILED", "cancelled: it was waiting, and nothing of it runs"),
        ("STOPPING", "RUNNING", "stopping: its task was told to end"),
        ("STOPPING", "QUEUED", "stopping: it leaves the queue and does not run"),
        ("ALREADY_ENDED", "COMPLETED", "it had ended already: COMPLETED"),
    ],
)
async def test_cancel_says_what_it_met(cli: Cli, fake: FakeServer, outcome: str, state: str, said: str) -> None:
    fake.stories["tst_a"] = Story([a_test("tst_a", state)])
    fake.cancels = test_service_pb2.CancelOutcome.Value(f"CANCEL_OUTCOME_{outcome}")
    assert await cli("cancel", "tst_a") == (0, f"tst_a  {said}\n", "")


async def test_a_retry_joins_its_chain(cli: Cli, fake: FakeServer) -> None:
    fake.stories["tst_a"] = Story([failed("tst_a")])
    ran = await cli("retry", "tst_a", "-q", "again")
    again = ran.out.strip()
    assert again in fake.stories
    fake.chain = [failed("tst_a"), passed(again)]
    fake.chain[1].retry.retry_number = 1
    fake.chain[1].spec.query = "again"
    ran = await cli("chain", "tst_a")
    head, first, second = ran.out.splitlines()
    assert head.split() == ["RETRY", "TEST", "STATE", "SUBMITTED", "RUN", "FAILURE", "QUERY"]
    assert first.split()[:3] == ["original", "tst_a", "FAILED"]
    assert second.split()[:3] == ["1", again, "COMPLETED"]
    assert (first.endswith("What is new?"), second.endswith("again")) == (True, True)


async def test_a_retry_beyond_the_limit_says_when_there_is_room(cli: Cli, fake: FakeServer) -> None:
    quota = error_details_pb2.QuotaFailure()
    quota.violations.add(subject="user:alice", description="10 submissions in any 60 minutes")
    retry = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=754))
    refusal = Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "you have submitted 10 tests in an hour", (quota, retry))
    fake.refusals["RetryTest"] = [refusal, refusal]
    ran = await cli("retry", "tst_a")
    assert ran == (
        2,
        "",
        (
            "error: you have submitted 10 tests in an hour\n"
            "  10 submissions in any 60 minutes\n"
            "  Try again in 12 min 34 s.\n"
        ),
    )
    error = json.loads((await cli("retry", "tst_a", "--json")).err)["error"]
    assert error["retry_after_s"] == 754
    assert error["quotas"] == [{"subject": "user:alice", "description": "10 submissions in any 60 minutes"}]
