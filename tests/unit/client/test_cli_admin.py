"""`assay queue`, `keys`, `limits`, `usage` and `cost` as administrators see them."""

import asyncio
import json
import signal
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from assay.v1 import admin_service_pb2 as pb
from assay.v1 import queue_service_pb2
from tests.unit.client.command import Cli
from tests.unit.client.fake_admin import a_key, an_audit_entry
from tests.unit.client.fake_server import FakeServer, Refusal

MIDNIGHT = datetime(2026, 1, 5, tzinfo=UTC)


async def test_the_queue_is_paused_resumed_and_resized(cli: Cli, fake: FakeServer) -> None:
    ran = await cli("queue", "pause", "--reason", "new \x1b[2Jnodes")
    assert ran.code == 0
    assert ran.out.splitlines()[-1] == "paused: new \\x1b[2Jnodes"
    assert "paused" not in (await cli("queue", "resume")).out
    ran = await cli("queue", "capacity", "4")
    assert ran.out.startswith("waiting 3   running 10 of 4 slots (250 %)")
    assert "6 tests above the capacity: running tests go on to their end" in ran.out
    assert json.loads((await cli("queue", "capacity", "20", "--json")).out)["capacity"] == 20
    assert json.loads((await cli("queue", "--json", "pause")).out)["paused"] is True


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["queue", "capacity", "-1"], "'-1' is no capacity: write a number from 0 to 10,000"),
        (["queue", "capacity", "10001"], "write a number from 0 to 10,000"),
        (["queue", "fly"], "No such command"),
        (["keys", "create", "alice", "--ttl", "90"], "'90' is no length of time: write 7d, 12h or 30m"),
        (["keys", "revoke"], "name one key, or all of a user's with --user USER"),
        (["keys", "revoke", "key_1", "--user", "alice"], "name one key"),
        (["limits", "alice", "--reset", "--weight", "2"], "not both"),
        (
            ["limits", "alice", "--max-running", "-1"],
            "--max-running: '-1' is too small: write a number from 0 to 10000",
        ),
        (["limits", "alice", "--per-hour", "99999999999"], "--per-hour: '99999999999' is too large"),
        (["limits", "alice", "--weight", "heavy"], "--weight: 'heavy' is no number: write one such as 2 or 0.5"),
        (["usage", "--by", "week"], "'week' is none of hour, day"),
        (["cost", "--by", "team"], "'team' is none of day, user, agent, label"),
        (["cost", "--by", "label"], "--by label team"),
        (["cost", "team"], "write --by label team"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_a_mistake_says_what_to_write(cli: Cli, fake: FakeServer, arguments: list[str], said: str) -> None:
    ran = await cli(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert not fake.requests


async def test_who_is_no_admin_is_told_so(cli: Cli, fake: FakeServer) -> None:
    fake.refusals["SetCapacity"] = [Refusal(grpc.StatusCode.PERMISSION_DENIED, "this needs a key with the role admin")]
    assert await cli("queue", "capacity", "4") == (2, "", "error: this needs a key with the role admin\n")


async def test_a_watched_queue_is_a_line_for_each_change_until_it_is_left(cli: Cli, fake: FakeServer) -> None:
    fake.status.average_wait.FromSeconds(90)
    fake.status.time.FromSeconds(1_700_000_000)
    later = queue_service_pb2.QueueStatus(pending=2, running=3, capacity=10, paused=True, pause_reason="lunch")
    later.time.FromSeconds(1_700_000_001)
    fake.queue_stories = [[fake.status], [fake.status, later]]  # the connection is lost between them
    process = await cli.start("queue", "watch")
    assert process.stdout is not None
    told = [(await asyncio.wait_for(process.stdout.readline(), 20)).decode() for _ in range(3)]
    assert told[0].split() == ["TIME", "WAITING", "RUNNING", "SLOTS", "AVG", "WAIT", "OLDEST"]
    assert told[1].split() == ["22:13:20", "3", "10", "10", "1", "min", "30", "s", "-"]
    assert told[2].split() == ["22:13:21", "2", "3", "10", "-", "-", "paused:", "lunch"]
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, out, err) == (130, b"", b"")


async def test_a_watched_queue_as_json_is_an_object_a_line(cli: Cli, fake: FakeServer) -> None:
    process = await cli.start("queue", "watch", "--json")
    assert process.stdout is not None
    assert json.loads(await asyncio.wait_for(process.stdout.readline(), 20))["pending"] == 3
    process.send_signal(signal.SIGINT)
    await asyncio.wait_for(process.communicate(), 20)


async def test_a_new_keys_secret_is_alone_on_standard_output(cli: Cli, fake: FakeServer) -> None:
    ran = await cli("keys", "create", "alice", "--name", "ci", "--ttl", "90d")
    assert (ran.code, ran.out) == (0, "ask_secret_of_key_1\n")
    assert "the API key of alice (user), key_1; it works until 2024-02-12 22:13" in ran.err
    assert "shown this once" in ran.err
    assert "ask_secret" not in ran.err
    ran = await cli("keys", "create", "root", "--admin", "--json")
    made = json.loads(ran.out)
    assert (made["secret"], made["key"]["role"], made["key"]["expires"]) == ("ask_secret_of_key_2", "ADMIN", None)
    assert ran.err == ""
    assert "it works until it is revoked" in (await cli("keys", "create", "bob")).err


async def test_keys_are_listed_and_revoked(cli: Cli, fake: FakeServer) -> None:
    keys = [a_key("key_0", name="laptop \x1b[2J"), a_key("key_1", "bob"), a_key("key_2", "bob")]
    now = datetime.now(UTC)
    keys[0].expire_time.FromDatetime(now + timedelta(days=80, minutes=1))
    keys[1].last_use_time.FromDatetime(now - timedelta(hours=2))
    fake.admin.keys = keys
    ran = await cli("keys")
    head, first, second, _ = ran.out.splitlines()
    assert head.split() == ["KEY", "USER", "ROLE", "BEGINS", "CREATED", "LAST", "USED", "ENDS", "NAME"]
    assert first.split()[:4] == ["key_0", "alice", "USER", "ask_1a2b…"]
    assert "in 80 d 00 h" in first
    assert first.endswith("laptop \\x1b[2J")
    assert "2 h 00 min ago  never" in second
    assert await cli("keys", "revoke", "key_0") == (0, "key_0  the key of alice (laptop \\x1b[2J) is revoked\n", "")
    assert (await cli("keys", "revoke", "key_0")).out.endswith("was revoked before\n")
    assert (await cli("keys", "revoke", "--user", "bob")).out == "2 keys of bob revoked\n"
    assert (await cli("keys", "revoke", "--user", "bob")).out == "bob had no key left to revoke\n"
    assert (await cli("keys")).out == "no keys\n"
    assert "revoked" in (await cli("keys", "--ended")).out
    ran = await cli("keys", "--ended", "--user", "bob", "--limit", "1", "--json")
    listed = json.loads(ran.out)
    assert ([key["id"] for key in listed["keys"]], listed["next_page_token"]) == (["key_1"], "1")
    ran = await cli("keys", "revoke", "key_9")
    assert (ran.code, ran.err) == (2, "error: there is no such key\n")


async def test_limits_that_are_not_named_are_kept(cli: Cli, fake: FakeServer) -> None:
    ran = await cli("limits", "alice")
    assert ran.out.splitlines() == [
        "alice",
        "  submissions  10 in any 60 minutes  default",
        "  waiting      100 at the same time  default",
        "  running      no limit              default",
        "  weight       1                     default",
    ]
    await cli("limits", "alice", "--per-hour", "0", "--weight", "2")
    ran = await cli("limits", "alice", "--max-running", "5")
    assert ran.out.splitlines()[1:] == [
        "  submissions  no limit              set",
        "  waiting      100 at the same time  default",
        "  running      5 at the same time    set",
        "  weight       2                     set",
    ]
    assert fake.admin.limits["alice"] == pb.UserLimits(submissions_per_hour=0, max_running=5, weight=2)
    shown = json.loads((await cli("limits", "alice", "--json")).out)
    assert (shown["user_id"], shown["overrides"]["max_pending"], shown["effective"]["max_pending"]) == (
        "alice",
        None,
        100,
    )
    await cli("limits", "alice", "--reset")
    assert fake.admin.limits["alice"] == pb.UserLimits()


def tell_usage(fake: FakeServer, busy: set[int], days: int = 12) -> None:
    usage = fake.admin.usage
    for day in range(days):
        step = usage.steps.add()
        step.start_time.FromDatetime(MIDNIGHT + timedelta(days=day))
        if day in busy:
            step.submitted_count, step.completed_count, step.failed_count = 10, 8, 1
            step.success_rate = 8 / 9
            step.run_seconds.count, step.run_seconds.p50, step.run_seconds.p95 = 9, 1.4, 2.9
    usage.total.submitted_count, usage.total.completed_count = 10 * len(busy), 8 * len(busy)


async def test_usage_is_a_row_for_each_busy_step_and_a_total(cli: Cli, fake: FakeServer) -> None:
    tell_usage(fake, {1, 3, 9})
    ran = await cli("usage", "--since", "2026-01-05", "--until", "2026-01-17", "--user", "alice")
    head, *rows = ran.out.splitlines()
    assert head.startswith("DAY (UTC)   SUBMITTED  COMPLETED  FAILED  TIMED OUT  CANCELLED  SUCCESS  RUN P50")
    assert "TOKENS" not in head
    firsts = ["2026-01-06", "2026-01-07", "2026-01-08", "…", "2026-01-14", "total"]
    assert [row.split()[0] for row in rows] == firsts
    assert rows[3] == "… nothing for 5 days"
    assert rows[0].split() == [
        *("2026-01-06", "10", "8", "1", "0", "0", "88.9", "%", "1.40", "s", "2.90", "s", "-", "-"),
    ]
    assert rows[-1].split()[:3] == ["total", "30", "24"]
    [request] = fake.requests
    assert isinstance(request, pb.GetUsageRequest)
    assert request.from_time.ToDatetime(UTC) == MIDNIGHT
    assert (request.interval, request.user_id) == (pb.REPORT_INTERVAL_DAY, "alice")
    assert len(json.loads((await cli("usage", "--json")).out)["steps"]) == 12


async def test_usage_by_hour_has_hours_and_tokens(cli: Cli, fake: FakeServer) -> None:
    tell_usage(fake, {1})
    fake.admin.usage.total.usage.input_tokens = 1234567
    ran = await cli("usage", "--by", "hour")
    head, row, total = ran.out.splitlines()
    assert (head.split()[:2], head.endswith("TOKENS IN  TOKENS OUT")) == (["HOUR", "(UTC)"], True)
    assert row.startswith("2026-01-06 00:00 ")
    assert total.split()[-2:] == ["1,234,567", "0"]
    fake.admin.usage.Clear()
    assert (await cli("usage")).out == "no tests were submitted in this time, and none ended\n"


async def test_small_costs_have_digits_enough(cli: Cli, fake: FakeServer) -> None:
    costs = fake.admin.costs
    for key, tests, usd in (("greeter \x1b[2J", 1300, 1234.5), ("", 1, 0.00043)):
        row = costs.rows.add(key=key, test_count=tests)
        row.cost.total_usd = row.cost.cpu_usd = usd
    costs.total.test_count = 1301
    costs.total.cost.total_usd = costs.total.cost.cpu_usd = 1234.50043
    ran = await cli("cost", "--by", "label", "team", "--since", "2026-01-05")
    assert ran.out.splitlines() == [
        "team             TESTS         TOTAL           CPU  MEMORY  STORAGE  LOGS",
        "greeter \\x1b[2J  1,300  $1,234.50000  $1,234.50000       -        -     -",
        "(none)               1      $0.00043      $0.00043       -        -     -",
        "total            1,301  $1,234.50043  $1,234.50043       -        -     -",
    ]
    [request] = fake.requests
    assert isinstance(request, pb.GetCostReportRequest)
    assert (request.group_by, request.label_key) == (pb.COST_GROUPING_LABEL, "team")
    assert request.from_time.ToDatetime(UTC) == MIDNIGHT
    assert json.loads((await cli("cost", "--json")).out)["total"]["cost"]["total_usd"] == 1234.50043


async def test_where_nothing_is_charged_it_says_so(cli: Cli, fake: FakeServer) -> None:
    assert (await cli("cost")).out == "no tests ended in this time\n"
    fake.admin.costs.rows.add(key="2026-01-05", test_count=12)
    fake.admin.costs.total.test_count = 12
    ran = await cli("cost")
    assert ran.out == "12 tests ended, and nothing was charged: where this server runs tests, they cost nothing\n"


async def test_the_audit_log_says_who_did_what_to_whom(cli: Cli, fake: FakeServer) -> None:
    change = pb.AuditChange(field="capacity", before="5", after="7\x1b[2J")
    fake.admin.audit = [
        an_audit_entry("aud_1", "SetCapacity", target_kind="queue", changes=[change], outcome=pb.AUDIT_OUTCOME_DONE),
        an_audit_entry("aud_2", "GetTest", target_kind="test", target_id="tst_1", owner_id="alice"),
        an_audit_entry("aud_3", "PauseQueue", outcome=pb.AUDIT_OUTCOME_REFUSED, status="PERMISSION_DENIED"),
    ]
    ran = await cli("audit")
    head, first, second, third = ran.out.splitlines()
    assert head.split() == ["WHEN", "WHO", "DID", "TO", "OUTCOME", "FROM", "CHANGES"]
    assert "root" in first
    assert first.endswith("capacity 5 -> 7\\x1b[2J")
    assert "test tst_1 of alice" in second
    assert "unknown" in second
    assert "PERMISSION_DENIED" in third
    ran = await cli("audit", "--owner", "alice", "--since", "7d", "--json")
    assert [entry["id"] for entry in json.loads(ran.out)["entries"]] == ["aud_2"]
    assert (await cli("audit", "--since", "yore")).code == 2


async def test_the_audit_log_is_followed_an_entry_a_line_once_its_end_is_known(cli: Cli, fake: FakeServer) -> None:
    done = {"outcome": pb.AUDIT_OUTCOME_DONE, "status": "OK"}
    fake.admin.audit = [an_audit_entry("aud_1", "SetCapacity", target_kind="queue", **done)]
    process = await cli.start("audit", "--follow")
    assert process.stdout is not None
    first = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
    assert first == "2023-11-14 22:13:20Z  root  SetCapacity  queue  done  from ipv4:10.0.0.1\n"
    pending = an_audit_entry("aud_2", "GetTest", target_kind="test", target_id="tst_1", owner_id="alice")
    pending.time.FromDatetime(datetime.now(UTC) + timedelta(hours=1))  # not settled for as long as the test lasts
    fake.admin.audit = [an_audit_entry("aud_3", "PauseQueue", **done), pending, *fake.admin.audit]
    second = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
    assert "PauseQueue" in second
    pending.status, pending.outcome = "OK", pb.AUDIT_OUTCOME_DONE
    third = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
    assert "GetTest  test tst_1 of alice  done" in third
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, out, err) == (130, b"", b"")
    assert (await cli("audit", "--follow", "--until", "1d")).code == 2
