"""Living with many tests, from the command line on a real local mode: the stories of people who look, compare, retry,
stop, and of admins who keep the system within its limits."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from assay import AsyncAssay, RateLimited, TestState, Unauthenticated
from tests.e2e.conftest import key_of
from tests.support.local_mode import Command, LocalMode
from tests.support.until import until

PASSED, FAILED, ERROR = 0, 1, 2
SLEEPS = 'import time\n\ndef run(query):\n    print("begun", flush=True)\n    time.sleep(60)\n'

pytestmark = pytest.mark.slow


async def test_a_failure_is_retried_with_a_new_query_and_the_chain_tells_it(assay: Command, picky: Path) -> None:
    failed = assay("submit", picky, "-q", "a cake", "--follow", "--json")
    assert failed.code == FAILED
    first = failed.objects[0]["test"]["id"]
    again = assay("retry", first, "-q", "a soup", "--follow", "--json")
    assert again.code == PASSED
    second = again.objects[0]["test"]["id"]
    third = assay("retry", second, "-q", "more cake", "--follow")
    assert third.code == FAILED
    assert "no cake today" in third.out
    for member in (first, second, "last"):
        links = assay("chain", member, "--json").json["tests"]
        assert [link["spec"]["query"] for link in links] == ["a cake", "a soup", "more cake"]
        assert [link["state"] for link in links] == ["FAILED", "COMPLETED", "FAILED"]
        assert [(link["retry"] or {}).get("retry_number") for link in links] == [None, 1, 2]
        assert {(link["retry"] or {}).get("original_test_id") for link in links[1:]} == {first}
    told = assay("chain", first)
    assert [told.out.index(part) for part in ("a cake", "a soup", "more cake")] == sorted(
        told.out.index(part) for part in ("a cake", "a soup", "more cake")
    )


async def test_a_running_test_is_not_retried_but_can_be_cancelled(assay: Command) -> None:
    running = assay("submit", assay.file("sleeps.py", SLEEPS), "-q", "x").out.strip()
    await until(lambda: assay("get", running, "--json").json["state"] == "RUNNING", timeout=30)
    refused = assay("retry", running)
    assert refused.code == ERROR
    assert "wait for its end, or cancel it first" in refused.err
    kept = assay("archive", running, "--json")
    assert (kept.json["count"], kept.json["skipped"]) == (0, [running])
    cancelled = assay("cancel", running, "--reason", "a runaway")
    assert "stopping" in cancelled.out
    ended = assay("watch", running)
    assert ended.code == FAILED
    assert "a runaway" in ended.out
    assert "ended already" in assay("cancel", running).out


async def test_failures_of_one_agent_are_found_page_by_page_while_others_submit(
    assay: Command, server: LocalMode, picky: Path, client: AsyncAssay
) -> None:
    other = AsyncAssay(server.known["address"], await key_of(server, "busy"))
    failed = [
        (await client.run(picky, f"cake {number}", agent_id="finder", labels={"round": "one"})).id
        for number in range(5)
    ]
    await client.run(picky, "soup", agent_id="finder")
    options = ("--agent", "finder", "--state", "FAILED", "--since", "7d", "--json")
    seen: list[str] = []
    token = ""
    async with other:
        while True:
            page = assay("list", "-n", "2", *options, *(("--page-token", token) if token else ())).json
            seen += [test["id"] for test in page["tests"]]
            token = page["next_page_token"]
            await other.submit(picky, "cake", agent_id="finder")
            if not token:
                break
    assert seen == failed[::-1]
    for words, count in (
        (("--failure", "AGENT_EXCEPTION"), 5),
        (("--label", "round=one"), 5),
        (("--label", "round"), 5),
        (("--text", "cake 3"), 1),
        (("--state", "COMPLETED"), 1),
        (("--order", "run-time"), 6),
        (("--until", "1d"), 0),
    ):
        found = assay("list", "--agent", "finder", "--user", "dev", *words, "--json").json["tests"]
        assert len(found) == count, words
    shown = assay("list", "--agent", "finder", "--totals")
    assert re.search(r"FAILED +\d+", shown.out)


async def test_ended_tests_are_put_away_and_come_back_when_asked_for(assay: Command, picky: Path) -> None:
    ended = assay("submit", picky, "-q", "soup", "--label", "box=attic", "--follow", "--json").objects[0]["test"]["id"]
    box = ("--label", "box=attic")
    assert assay("archive", *box, "--older-than", "0s", "--dry-run", "--json").json["count"] == 1
    assert assay("archive", *box, "--json").json["count"] == 0  # not older than a week
    done = assay("archive", *box, "--older-than", "0s")
    assert (done.code, done.out) == (PASSED, "1 test archived\n")
    assert assay("list", *box, "--json").json["tests"] == []
    (found,) = assay("list", *box, "--archived", "--json").json["tests"]
    assert (found["id"], found["state"]) == (ended, "ARCHIVED")
    assert assay("get", ended, "--json").json["result"]["response"] == {"served": "soup"}
    assert assay("archive", ended, "--json").json["skipped"] == [ended]


async def test_a_test_is_compared_with_the_others_of_its_agent(assay: Command, picky: Path, client: AsyncAssay) -> None:
    last, *_ = [await client.run(picky, query, agent_id="compared") for query in ("cake", "soup", "tea")]

    async def counted() -> bool:
        return (await client.agent_stats(agent_id="compared")).ended == 3

    await until(counted, timeout=30)
    stats = assay("stats", "compared", "--json").json
    assert stats["success_rate"] == pytest.approx(2 / 3)
    against = assay("stats", last.id)
    assert against.code == PASSED
    assert re.search(r"2 others?", against.out), against.out
    unknown = assay("stats", "no-such-agent")
    assert (unknown.code, unknown.out) == (ERROR, "")
    assert unknown.err == "error: There are no tests of an agent 'no-such-agent' that you can see.\n"


async def test_usage_and_cost_are_told(assay: Command, picky: Path, client: AsyncAssay) -> None:
    # A label of its own: the server is shared with tests that have others.
    await client.run(picky, "soup", labels={"crew": "kitchen"})

    async def counted() -> bool:
        return [row.key for row in (await client.admin.costs(by="label", label_key="crew")).rows] == ["kitchen"]

    await until(counted, timeout=30)
    for words in (("usage",), ("usage", "--by", "hour"), ("cost",), ("cost", "--by", "label", "crew")):
        told = assay(*words)
        assert (told.code, told.err) == (PASSED, ""), told.err
    steps = assay("usage", "--by", "hour", "--json").json
    assert steps["total"]["completed"] >= 1
    rows = assay("cost", "--by", "label", "crew", "--json").json["rows"]
    assert [row["key"] for row in rows] == ["kitchen"]


async def test_the_queue_is_paused_resized_and_resumed(assay: Command, picky: Path, client: AsyncAssay) -> None:
    try:
        paused = assay("queue", "pause", "--reason", "a new release")
        assert (paused.code, "a new release" in paused.out) == (PASSED, True)
        waits = await client.submit(picky, "soup")
        await until(lambda: assay("queue", "--json").json["pending"] == 1, timeout=30)
        status = assay("queue", "--json").json
        assert (status["paused"], status["pause_reason"], status["pending"]) == (True, "a new release", 1)
        place = (await client.get(waits.id)).queue_place
        assert place is not None
        assert (place.position, place.estimated_wait) == (1, None)
        assert assay("queue", "capacity", "3", "--json").json["capacity"] == 3
        assert "waiting" in assay("cancel", waits.id).out
        assert assay("queue", "capacity", "--", "-1").code == ERROR
    finally:
        assay("queue", "capacity", "10")
        resumed = assay("queue", "resume")
    assert resumed.code == PASSED
    assert (await client.run(picky, "soup")).state is TestState.COMPLETED


async def test_a_key_is_made_shown_once_and_revoked(assay: Command, server: LocalMode, picky: Path) -> None:
    made = assay("keys", "create", "carol", "--name", "laptop")
    secret = made.out.strip()
    assert re.fullmatch(r"assay_\S+", secret)
    assert "once" in made.err
    async with AsyncAssay(server.known["address"], secret) as carol:
        assert (await carol.run(picky, "soup")).user_id == "carol"
        (key,) = assay("keys", "--user", "carol", "--json").json["keys"]
        assert (key["name"], key["role"].upper(), secret not in str(key)) == ("laptop", "USER", True)
        assert secret not in assay("keys").out
        async with aclosing(carol.watch_queue()) as open_stream:
            await anext(open_stream)
            assert assay("keys", "revoke", key["id"]).code == PASSED
            with pytest.raises(Unauthenticated, match="revoked"):
                async with asyncio.timeout(30):
                    _ = [status async for status in open_stream]
        with pytest.raises(Unauthenticated, match="revoked"):
            await carol.queue_status()
    assert assay("keys", "--user", "carol", "--json").json["keys"] == []
    assert len(assay("keys", "--user", "carol", "--ended", "--json").json["keys"]) == 1


async def test_a_user_has_limits_of_their_own(assay: Command, server: LocalMode, picky: Path) -> None:
    set_ = assay("limits", "dave", "--per-hour", "2", "--json")
    assert set_.code == PASSED, set_.err
    async with AsyncAssay(server.known["address"], await key_of(server, "dave")) as dave:
        answers = await asyncio.gather(*(dave.submit(picky, "soup") for _ in range(5)), return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, RateLimited)]
        assert len(refused) == 3
        assert refused[0].retry_after is not None
        assert 3500 < refused[0].retry_after.total_seconds() <= 3600
    assert assay("limits", "dave", "--reset").code == PASSED
    assert assay("limits", "dave", "--per-hour", "-1").code == ERROR


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(
            ("list", "--state", "NONSENSE"),
            "'NONSENSE' is none of submitted, queued, building",
            id="a state that is none",
        ),
        pytest.param(
            ("list", "--since", "yesterday-ish"), "'yesterday-ish' is no time: write a date", id="a time that is none"
        ),
        pytest.param(("list", "--text", "?!"), "filter.text  has no word in it", id="no word"),
        pytest.param(
            ("list", "--page-token", "AAAA"), "page_token  does not belong to this query", id="a token that is none"
        ),
        pytest.param(("retry", "tst_" + "0" * 32), "There is no test 'tst_0000", id="a retry of nothing"),
        pytest.param(
            ("queue", "capacity", "many"),
            "'many' is no capacity: write a number from 0 to 10,000",
            id="a capacity that is no number",
        ),
        pytest.param(
            ("limits", "a.b", "--per-hour", "1"),
            "user_id  must be 1 to 64 letters, digits, _ or -",
            id="a user that is none",
        ),
        pytest.param(("keys", "revoke", "key_" + "0" * 32), "There is no API key 'key_0000", id="a key that is none"),
        pytest.param(("cost", "--by", "weather"), "'weather' is none of day, user, agent, label", id="no way to group"),
    ],
)
def test_bad_input_is_told_in_words(assay: Command, words: tuple[Any, ...], said: str) -> None:
    refused = assay(*words)
    assert refused.code == ERROR
    assert said in refused.err
    assert "Traceback" not in refused.err


async def test_every_service_of_local_mode_tells_how_it_is(assay: Command) -> None:
    await until(lambda: assay("health").code == PASSED, timeout=60)
    found = assay("health", "--json").json
    assert [one["service"] for one in found["services"]] == [
        *("gateway", "scheduler", "orchestrator", "logstreamer", "packager")
    ]
    assert {one["instance"] for one in found["services"]} == {"local"}
    assert {one["state"] for one in found["services"]} == {"HEALTHY"}
    assert {"mongodb", "nats"} <= {one["name"] for one in found["dependencies"]}
    assert found["queue"]["capacity"] > 0
    assert found["storage"]["bucket"]
