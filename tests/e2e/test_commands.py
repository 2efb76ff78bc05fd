"""Every command as a user types it: what it prints, what it prints with --json, and its exit code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from assay import AsyncAssay, TestState
from tests.e2e.conftest import EXAMPLES, key_of
from tests.support.local_mode import Command, LocalMode, Started
from tests.support.outcomes import spoken, talker
from tests.support.until import until

PASSED, FAILED, ERROR = 0, 1, 2
QUERY = "How many words are in this question?"
TEST_ID = re.compile(r"tst_[0-9a-f]{32}")
WAITS = 'import time\n\ndef run(query):\n    print("waiting", flush=True)\n    time.sleep(60)\n'

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def passed(assay: Command) -> str:
    """A test that passed."""
    told = assay("submit", EXAMPLES / "plain_function.py", "-q", QUERY, "--follow", "--json")
    return str(told.objects[0]["test"]["id"])


def test_submit_prints_the_id_and_returns_at_once(assay: Command) -> None:
    plain = assay("submit", EXAMPLES / "plain_function.py", "-q", "one two")
    assert (plain.code, plain.err) == (PASSED, "")
    assert TEST_ID.fullmatch(plain.out.strip())
    as_json = assay("submit", EXAMPLES / "plain_function.py", "-q", "one two", "--json")
    assert as_json.code == PASSED
    assert as_json.json["state"] == "SUBMITTED"
    assert as_json.json["spec"]["query"] == "one two"


def test_submit_follow_tells_the_story_in_order(assay: Command) -> None:
    ran = assay("submit", EXAMPLES / "plain_function.py", "-q", QUERY, "--follow")
    assert (ran.code, ran.err) == (PASSED, "")
    told = [line.split()[0] for line in ran.out.splitlines() if line and not line.startswith((" ", "{", "}", "✓"))]
    assert told[0].startswith("tst_")
    story = [word for word in told[1:] if word != "queued"]
    # A state that is over before it could be told is not told: who watches hears where the test stands.
    assert story in (["submitted", "building", "running"], ["submitted", "running"])
    places = [ran.out.index(part) for part in ("| word 1: How", "20 lines, complete", '"words": 7', "✓ passed in")]
    assert places == sorted(places)
    assert re.search(r"queue .+ · build .+ · run .+ · cpu .+ · peak .+ MiB", ran.out)


def test_submit_follow_json_is_one_object_a_line_and_ends_with_the_answer(assay: Command) -> None:
    ran = assay("submit", EXAMPLES / "plain_function.py", "-q", QUERY, "--follow", "--json")
    assert (ran.code, ran.err) == (PASSED, "")
    events = [thing["event"] for thing in ran.objects]
    assert (events[0], events[-2:]) == ("submitted", ["logs_complete", "ended"])
    assert events.count("log") == 20
    assert ran.objects[-2]["logs"] == {
        "expected": 20,
        "received": 20,
        "complete": True,
        "truncated": False,
        "missing": [],
    }
    last = ran.objects[-1]
    assert (last["passed"], last["test"]["state"]) == (True, "COMPLETED")
    assert last["test"]["result"]["response"]["words"] == 7


def test_a_failed_test_is_exit_code_1_with_the_reason_and_what_to_do(assay: Command) -> None:
    ran = assay("submit", EXAMPLES / "fails.py", "-q", "x", "--follow")
    assert (ran.code, ran.err) == (FAILED, "")
    for part in (
        "✗ AGENT_EXCEPTION",
        "cake is not on the menu",
        'File "/work/agent.py", line 9, in price_of',
        "hint: ",
    ):
        assert part in ran.out
    as_json = assay("submit", EXAMPLES / "fails.py", "-q", "x", "--follow", "--json")
    failure = as_json.objects[-1]["test"]["failure"]
    assert (as_json.code, failure["code"], failure["stage"]) == (FAILED, "AGENT_EXCEPTION", "run")
    assert failure["agent_error"]["type"] == "LookupError"
    assert failure["hint"]


def test_get_shows_one_test(assay: Command, passed: str) -> None:
    plain = assay("get", passed)
    assert (plain.code, plain.err) == (PASSED, "")
    for part in (passed, "COMPLETED", "plain_function", QUERY, '"words": 7', "20 lines", "✓ passed in"):
        assert part in plain.out
    value = assay("get", passed, "--json").json
    assert (value["id"], value["state"], value["attempt"]) == (passed, "COMPLETED", 1)
    assert [move["state"] for move in value["history"]] == ["SUBMITTED", "QUEUED", "BUILDING", "RUNNING", "COMPLETED"]
    assert value["logs"] | {"bytes": 0} == {
        "lines": 20,
        "bytes": 0,
        "ended": True,
        "complete": True,
        "truncated": False,
    }


def test_last_is_the_newest_test(assay: Command) -> None:
    newest = assay("submit", EXAMPLES / "fails.py", "-q", "x", "--follow", "--json").objects[0]["test"]["id"]
    assert assay("get", "last", "--json").json["id"] == newest
    assert assay("watch", "last").code == FAILED
    assert assay("logs", "last").out == "INFO: working out the bill\n"


def test_list_has_the_newest_first_page_by_page_and_by_state(assay: Command, passed: str) -> None:
    ids = [assay("submit", EXAMPLES / "plain_function.py", "-q", f"number {n}").out.strip() for n in range(2)]
    plain = assay("list", "-n", "2")
    assert (plain.code, plain.err) == (PASSED, "")
    title, *rows, more = plain.out.splitlines()
    assert title.split()[:2] == ["TEST", "STATE"]
    assert [row.split()[0] for row in rows] == list(reversed(ids))
    token = more.split()[-1]
    following = assay("list", "-n", "1", "--page-token", token, "--json").json
    assert following["tests"][0]["id"] not in ids

    completed = assay("list", "--state", "completed", "-n", "100", "--json").json["tests"]
    assert passed in [test["id"] for test in completed]
    assert {test["state"] for test in completed} == {"COMPLETED"}


def test_logs_prints_what_the_agent_wrote_and_nothing_else(assay: Command, passed: str) -> None:
    plain = assay("logs", passed)
    assert (plain.code, plain.err) == (PASSED, "")
    assert len(plain.out.splitlines()) == 20
    assert plain.out.splitlines()[1] == "word 1: How"
    *lines, end = assay("logs", passed, "--json").objects
    assert [line["seq"] for line in lines] == list(range(1, 21))
    assert end["logs_complete"]["complete"] is True
    assert assay("logs", passed, "-n", "2").out.splitlines() == plain.out.splitlines()[-2:]
    assert assay("logs", passed, "--from", "20").out.splitlines() == plain.out.splitlines()[-1:]
    assert re.fullmatch(r"  \d\d:\d\d:\d\d\.\d{3} \| .+", assay("logs", passed, "-t", "--from", "20").out.rstrip())


async def test_logs_follow_shows_lines_while_the_agent_runs_and_ends_with_it(
    assay: Command, client: AsyncAssay
) -> None:
    test = await client.submit(talker(1.0), "slowly")
    following = assay.start("logs", "-f", test.id)
    await until(lambda: following.said.startswith("slowly 0\n"), timeout=30)
    assert not (await client.get(test.id)).ended
    ran = following.ended()
    assert (ran.code, ran.out.splitlines(), ran.err) == (PASSED, spoken("slowly"), "")


async def test_watch_goes_from_state_to_state(assay: Command, client: AsyncAssay) -> None:
    test = await client.submit(talker(0.5), "watched")
    watching = [assay.start("watch", test.id), assay.start("watch", test.id, "--json")]
    plain, as_json = [one.ended() for one in watching]
    assert (plain.code, plain.err) == (PASSED, "")
    assert plain.out.splitlines()[-2].startswith("✓ passed in")
    assert as_json.code == PASSED
    states = [thing["test"]["state"] for thing in as_json.objects]
    assert states[-1] == "COMPLETED"
    order = [state.value for state in TestState]
    assert [order.index(state) for state in states] == sorted(order.index(state) for state in states)


async def test_cancel_ends_a_running_agent(assay: Command, client: AsyncAssay) -> None:
    following = assay.start("submit", assay.file("waits.py", WAITS), "-q", "x", "--follow", "--json")
    test_id = await _id_of(following)
    await until(lambda: _state(client, test_id, TestState.RUNNING), timeout=30)
    cancelled = assay("cancel", test_id, "--reason", "no longer needed")
    assert (cancelled.code, cancelled.out) == (PASSED, f"{test_id}  stopping: its task was told to end\n")
    ran = following.ended()
    assert ran.code == FAILED
    failure = ran.objects[-1]["test"]["failure"]
    assert failure["code"] == "CANCELLED"
    assert "no longer needed" in failure["message"]
    assert ran.objects[-2]["logs"]["complete"] is True
    again = assay("cancel", test_id, "--json")
    assert (again.code, again.json["outcome"]) == (PASSED, "ALREADY_ENDED")
    assert assay("watch", test_id).code == FAILED


async def test_cancel_takes_a_waiting_test_out_of_the_queue(assay: Command, client: AsyncAssay) -> None:
    capacity = (await client.queue_status()).capacity
    busy = [(await client.submit(WAITS, "busy")).id for _ in range(capacity)]
    try:
        await until(lambda: _running(client, capacity), timeout=60)
        waiting = assay("submit", assay.file("waits.py", WAITS), "-q", "x").out.strip()
        shown = assay("queue")
        assert shown.out.startswith(f"waiting 1   running {capacity} of {capacity} slots (100 %)")
        assert "yours: 1 waiting" in shown.out
        watching = assay.start("watch", waiting)
        await until(lambda: watching.said, timeout=30)
        cancelled = assay("cancel", waiting)
        assert cancelled.out == f"{waiting}  cancelled: it was waiting, and nothing of it runs\n"
        watched = watching.ended()
        assert watched.code == FAILED
        assert "CANCELLED in queue" in watched.out
        assert assay("logs", waiting, "-f").out == ""
    finally:
        for test_id in busy:
            await client.cancel(test_id)
    await until(lambda: _running(client, 0), timeout=60)


def test_queue_shows_figures(assay: Command) -> None:
    plain = assay("queue")
    assert (plain.code, plain.err) == (PASSED, "")
    assert re.match(r"waiting \d+   running \d+ of 10 slots \(\d+ %\)   yours: \d+ waiting, \d+ running\n", plain.out)
    figures = assay("queue", "--json").json
    assert (figures["capacity"], figures["paused"]) == (10, False)


async def test_ctrl_c_leaves_the_test_alone_and_says_how_to_come_back(assay: Command, client: AsyncAssay) -> None:
    following = assay.start("submit", assay.file("talks.py", talker(0.5)), "-q", "x", "--follow")
    test_id = await _id_of(following)
    await until(lambda: _state(client, test_id, TestState.RUNNING), timeout=30)
    following.interrupt()
    ran = following.ended()
    assert ran.code == 130
    assert "Traceback" not in ran.err
    assert f"assay logs -f {test_id}" in ran.out + ran.err or f"assay watch {test_id}" in ran.out + ran.err
    assert (await client.wait(test_id, timeout=30)).passed


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "Usage: assay"),
        (["nonsense"], "No such command 'nonsense'"),
        (["submit", "nofile.py", "-q", "x"], "nofile.py: No such file or directory"),
        (["submit", EXAMPLES / "fails.py"], "say what to ask, or --no-query"),
        (["submit", EXAMPLES / "fails.py", "-q", "x", "--timeout", "soon"], "'soon' is no duration"),
        (["list", "--state", "lost"], "'lost' is none of submitted, queued"),
        (["get", "tst_nobody"], "There is no test 'tst_nobody' of yours."),
        (["logs", "tst_nobody"], "There is no test 'tst_nobody' of yours."),
        (["watch", "tst_nobody"], "There is no test 'tst_nobody' of yours."),
        (["cancel", "tst_nobody"], "There is no test 'tst_nobody' of yours."),
        (["list", "--page-token", "made-up"], "page_token"),
        (["--address", "127.0.0.1:1", "list"], "no Assay server answers at 127.0.0.1:1 (known from --address)"),
    ],
    ids=lambda value: " ".join(map(str, value[:3])).rpartition("/")[2] if isinstance(value, list) else "",
)
def test_usage_and_server_errors_are_exit_code_2_on_standard_error(
    assay: Command, words: list[str | Path], says: str
) -> None:
    ran = assay(*words)
    assert (ran.code, ran.out) == (ERROR, "")
    assert says in ran.err
    assert "Traceback" not in ran.err


def test_errors_with_json_are_json(assay: Command) -> None:
    ran = assay("get", "tst_nobody", "--json")
    assert (ran.code, ran.out, ran.error["code"]) == (ERROR, "", "NOT_FOUND")


async def test_another_users_tests_are_not_there(server: LocalMode, passed: str) -> None:
    stranger = Command(server.folder.parent, {"ASSAY_API_KEY": await key_of(server, "stranger")})
    assert stranger("list").out == "no tests\n"
    assert stranger("get", passed).err == f"error: There is no test '{passed}' of yours.\n"


def test_a_wrong_key_is_said_to_be_one(server: LocalMode) -> None:
    ran = Command(server.folder.parent, {"ASSAY_API_KEY": "assay_wrong"})("list")
    assert (ran.code, ran.out) == (ERROR, "")
    assert "ASSAY_API_KEY" in ran.err
    assert "assay_wrong" not in ran.err


def test_a_key_is_taken_with_the_line_break_of_its_file_and_refused_with_what_no_key_has(server: LocalMode) -> None:
    key = (server.folder / "api-key").read_text()
    assert key.endswith("\n")
    assert Command(server.folder.parent, {"ASSAY_API_KEY": key})("queue").code == PASSED
    broken = Command(server.folder.parent, {"ASSAY_API_KEY": "kéy"})("queue")
    assert (broken.code, broken.out) == (ERROR, "")
    assert broken.err.startswith("error: The API key has characters in it that no key has.")


async def _id_of(command: Started) -> str:
    found = await until(lambda: TEST_ID.search(command.said), timeout=30)
    assert found
    return found[0]


async def _state(client: AsyncAssay, test_id: str, state: TestState) -> bool:
    return (await client.get(test_id)).state is state


async def _running(client: AsyncAssay, number: int) -> Any:
    status = await client.queue_status()
    return status.running == number and (number > 0 or status.pending == 0)


ASKED = """
def run(query):
    if query == "bad":
        raise ValueError("not that one")
    return query.upper()
"""


def test_fail_retry_with_a_new_query_see_the_chain(assay: Command) -> None:
    file = assay.file("asked.py", ASKED)
    failed = assay("submit", file, "-q", "bad", "--follow", "--json")
    assert failed.code == 1
    first = failed.objects[-1]["test"]["id"]
    same = assay("retry", first, "--follow", "--json")
    assert (same.code, same.objects[-1]["test"]["failure"]["code"]) == (1, "AGENT_EXCEPTION")
    other = assay("retry", same.objects[-1]["test"]["id"], "-q", "good", "--follow")
    assert other.code == 0, other.out
    assert "GOOD" in other.out
    told = assay("chain", first, "--json").json["tests"]
    assert [link["spec"]["query"] for link in told] == ["bad", "bad", "good"]
    assert [link["retry"]["retry_number"] for link in told[1:]] == [1, 2]
    shown = assay("chain", told[-1]["id"])
    assert [line.split()[0] for line in shown.out.splitlines()] == ["RETRY", "original", "1", "2"]
    assert shown.out.count("AGENT_EXCEPTION") == 2
    waiting = assay("retry", "tst_" + "0" * 32)
    assert waiting.code == 2
    assert "There is no test" in waiting.err
