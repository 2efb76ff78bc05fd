"""Answers from a server, or from an agent behind it, that means harm: no list and no wait without end, and no line that
reads as one of the command's own."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from assay import Assay, AssayError, AsyncAssay, BadAnswer, RateLimited
from assay.cli import text
from assay.cli.jsontext import json_text
from assay.cli.screen import open_screen
from assay.foreign import sound
from assay.listing import MOST_EMPTY, MOST_IN_VAIN, _Cursor
from assay.retry import MOST_BRIEF, RetryPolicy
from assay.translate import test as value_of
from assay.v1 import (
    account_service_pb2,
    admin_service_pb2,
    log_pb2,
    package_service_pb2,
    queue_service_pb2,
    test_pb2,
    test_service_pb2,
)
from tests.support.cli_in_process import Terminal, command
from tests.support.hostile_gateway import HostileGateway, Refusal, hostile_gateway
from tests.support.raw_http2 import answering_by_hand
from tests.unit.client.command import Cli

QUICK = RetryPolicy(attempts=2, first_pause=0.0001, longest_pause=0.001, stream_attempts=3)

LISTS: dict[str, tuple[str, Callable[[str], Any], Callable[[Assay], Iterable[Any]]]] = {
    "tests": (
        "ListTests",
        lambda token: test_service_pb2.ListTestsResponse(tests=[test_pb2.Test(id="tst_1")], next_page_token=token),
        lambda client: client.list(),
    ),
    "packages": (
        "ListPackages",
        lambda token: package_service_pb2.ListPackagesResponse(
            packages=[package_service_pb2.Package(id="pkg_1")], next_page_token=token
        ),
        lambda client: client.packages.list(),
    ),
    "agents": (
        "ListAgents",
        lambda token: test_service_pb2.ListAgentsResponse(agents=[test_service_pb2.Agent()], next_page_token=token),
        lambda client: client.agents(),
    ),
    "queue": (
        "ListQueue",
        lambda token: queue_service_pb2.ListQueueResponse(
            waiting=[queue_service_pb2.QueueEntry(test_id="tst_1")], next_page_token=token
        ),
        lambda client: client.queue_list(),
    ),
    "keys": (
        "ListApiKeys",
        lambda token: admin_service_pb2.ListApiKeysResponse(
            keys=[admin_service_pb2.ApiKey(id="key_1")], next_page_token=token
        ),
        lambda client: client.admin.keys(),
    ),
    "dead letters": (
        "ListDeadLetters",
        lambda token: admin_service_pb2.ListDeadLettersResponse(
            letters=[admin_service_pb2.DeadLetter(id="1")], next_page_token=token
        ),
        lambda client: client.admin.dead_letters(),
    ),
}


@pytest.mark.parametrize("tokens", [["a"], ["a", "b", "c"]], ids=["one token", "a circle of three"])
@pytest.mark.parametrize("name", LISTS)
def test_no_list_goes_round_in_circles(name: str, tokens: list[str]) -> None:
    method, page, listed = LISTS[name]
    gateway = HostileGateway()
    around = itertools.cycle(tokens)
    gateway.answers[method] = lambda _request: [page(next(around))]
    with hostile_gateway(gateway) as address, Assay(address, "key", retry=QUICK) as client:
        with pytest.raises(BadAnswer, match="leads to a page that was there before"):
            list(itertools.islice(listed(client), 1000))
        assert gateway.count(method) == len(tokens) + 1


def test_a_list_of_empty_pages_does_not_go_round_either() -> None:
    gateway = HostileGateway()
    gateway.say("ListTests", test_service_pb2.ListTestsResponse(next_page_token="a"))
    with hostile_gateway(gateway) as address:
        ran = command(address, "list")
    assert (ran.code, gateway.count("ListTests")) == (2, MOST_IN_VAIN + 2)
    assert ran.err.startswith("error: The server's answer cannot be used: next_page_token")


async def test_an_answer_that_grows_when_it_is_unpacked_is_not_unpacked() -> None:
    """A thousandth of it is on the wire."""
    large = test_service_pb2.GetTestResponse(test=test_pb2.Test(id="tst_1", user_id="x" * 12_000_000))
    packed = gzip.compress(large.SerializeToString())
    async with (
        answering_by_hand(packed, encoding="gzip") as address,
        AsyncAssay(address, "key", retry=QUICK) as client,
    ):
        with pytest.raises(AssayError):
            await client.get("tst_1")


def test_a_list_of_ever_other_empty_pages_ends() -> None:
    cursor = _Cursor(test_service_pb2.ListTestsRequest(), 20)
    for number in range(MOST_EMPTY):
        cursor.move(f"{number}", 0)
    cursor.move("a", 1)  # it got on after all
    for number in range(MOST_EMPTY):
        cursor.move(f"b{number}", 0)
    with pytest.raises(BadAnswer, match="one empty page to the next"):
        cursor.move("c", 0)


async def test_asyncio_s_lists_do_not_go_round_either() -> None:
    gateway = HostileGateway()
    _, page, _ = LISTS["tests"]
    gateway.say("ListTests", page("a"))
    with hostile_gateway(gateway) as address:
        async with AsyncAssay(address, "key", retry=QUICK) as client:
            with pytest.raises(BadAnswer):
                [test async for test in client.list()]


@pytest.mark.parametrize("token", ["$(reboot)", "a b", "a\nb", "`x`", "a;b", "x" * 5000, "a'b", "\u202e"])
def test_a_token_that_is_printed_to_be_copied_holds_nothing_for_a_shell(token: str) -> None:
    with pytest.raises(BadAnswer, match="next_page_token"):
        sound(test_service_pb2.ListTestsResponse(next_page_token=token))


def test_a_server_that_does_not_wait_is_not_asked_all_the_time() -> None:
    gateway = HostileGateway()
    package = package_service_pb2.Package(id="pkg_1", state=package_service_pb2.PACKAGE_STATE_GENERATING)
    gateway.say("GetPackage", package_service_pb2.GetPackageResponse(package=package))
    with hostile_gateway(gateway) as address, Assay(address, "key") as client:
        client.packages.get("pkg_1", wait=1.0)
    assert gateway.count("GetPackage") < 20  # thousands without a pause


def test_a_stream_that_always_breaks_after_its_first_line_is_given_up() -> None:
    gateway = HostileGateway()
    line = log_pb2.LogLine(seq=1, text="once more")
    again = test_service_pb2.StreamLogsResponse(lines=[line])
    gateway.say("StreamLogs", again, Refusal(grpc.StatusCode.UNAVAILABLE, "going down"))
    with hostile_gateway(gateway) as address, Assay(address, "key", retry=QUICK) as client:
        with pytest.raises(AssayError, match="going down"):
            list(client.logs("tst_1"))
        assert gateway.count("StreamLogs") == MOST_BRIEF


@pytest.mark.parametrize("seconds", [10**9, 10**18, -1, -(10**18)])
def test_a_time_to_wait_that_nobody_waits_is_none(seconds: int) -> None:
    info = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=seconds))
    gateway = HostileGateway()
    gateway.say("GetTest", Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many", (info,)))
    with hostile_gateway(gateway) as address:
        with Assay(address, "key") as client, pytest.raises(RateLimited) as raised:
            client.get("tst_1")
        ran = command(address, "get", "tst_1")
    assert raised.value.retry_after is None
    assert gateway.count("GetTest") == 2
    assert (ran.code, ran.err) == (2, "error: too many\n")


def test_a_time_to_wait_that_somebody_may_is_told() -> None:
    info = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=90))
    gateway = HostileGateway()
    gateway.say("GetTest", Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many", (info,)))
    with hostile_gateway(gateway) as address, Assay(address, "key") as client, pytest.raises(RateLimited) as raised:
        client.get("tst_1")
    assert raised.value.retry_after == timedelta(seconds=90)


def test_details_that_are_no_message_leave_the_error_as_it_is() -> None:
    gateway = HostileGateway()
    gateway.say("GetTest", Refusal(grpc.StatusCode.NOT_FOUND, "gone", trailer=b"\xff\xff\xff\xff\x07garbage"))
    with hostile_gateway(gateway) as address:
        ran = command(address, "get", "tst_1")
    assert (ran.code, ran.err) == (2, "error: gone\n")


FORGED = "no\n✓ passed in 1.00 s  tst_1\r\u2028error: none\u2029\x85note: \x1b[2J\u202e"


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(grpc.StatusCode.NOT_FOUND, FORGED),
        Refusal(grpc.StatusCode.INVALID_ARGUMENT, FORGED),
        Refusal(grpc.StatusCode.INTERNAL, FORGED),
        Refusal(
            grpc.StatusCode.INVALID_ARGUMENT,
            "bad",
            (
                error_details_pb2.BadRequest(
                    field_violations=[
                        error_details_pb2.BadRequest.FieldViolation(field=FORGED, description=FORGED),
                    ]
                ),
            ),
        ),
        Refusal(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "bad",
            (
                error_details_pb2.QuotaFailure(
                    violations=[error_details_pb2.QuotaFailure.Violation(subject=FORGED, description=FORGED)]
                ),
            ),
        ),
    ],
)
def test_an_error_cannot_write_lines_of_its_own(refusal: Refusal) -> None:
    gateway = HostileGateway()
    gateway.say("GetTest", refusal)
    with hostile_gateway(gateway) as address:
        ran = command(address, "get", "tst_1")
    assert ran.code == 2
    _own_lines_only(ran.err)
    assert all(line.startswith(("error: ", "  ")) for line in ran.err.splitlines())


def _own_lines_only(shown: str) -> None:
    """No line begins as the forged ones do, and nothing steers the terminal."""
    assert not [line for line in shown.splitlines() if line.lstrip(" ").startswith(("✓", "note:", "hint: run"))], shown
    assert not set(shown) & set("\r\x1b\x85\u2028\u2029\u202e")


def forged_test(**more: Any) -> test_pb2.Test:
    return test_pb2.Test(
        **{
            "id": "tst_1",
            "user_id": FORGED,
            "state": test_pb2.TEST_STATE_FAILED,
            "spec": test_pb2.TestSpec(
                name=FORGED,
                agent_name=FORGED,
                query=FORGED,
                labels={FORGED: FORGED},
                model=test_pb2.ModelSetting(provider=FORGED, model_id=FORGED),
            ),
            "failure": test_pb2.Failure(
                code=FORGED,
                stage=FORGED,
                message=FORGED,
                hint=FORGED,
                agent_error=test_pb2.AgentError(type=FORGED, message=FORGED, traceback=FORGED),
            ),
            "task": test_pb2.TaskInfo(runtime=FORGED, task_id=FORGED),
            "output_files": [test_pb2.TestFile(path=FORGED, size=1)],
            "result": test_pb2.Result(files_left_out=[FORGED]),
            **more,
        }
    )


def test_a_test_cannot_write_lines_of_its_own() -> None:
    gateway = HostileGateway()
    test = forged_test()
    gateway.say("GetTest", test_service_pb2.GetTestResponse(test=test))
    gateway.say("ListTests", test_service_pb2.ListTestsResponse(tests=[test, forged_test(id="tst_2", user_id="b")]))
    gateway.say("GetRetryChain", test_service_pb2.GetRetryChainResponse(tests=[test]))
    gateway.say("WatchTest", test_service_pb2.WatchTestResponse(test=test))
    gateway.say("StreamLogs", test_service_pb2.StreamLogsResponse(complete=log_pb2.LogsComplete(complete=True)))
    with hostile_gateway(gateway) as address:
        for words in (["get", "tst_1"], ["list"], ["chain", "tst_1"], ["watch", "tst_1"], ["files", "tst_1"]):
            ran = command(address, *words)
            _own_lines_only(ran.out + ran.err.replace("note: ", ""))


def test_what_admins_see_cannot_write_lines_of_its_own() -> None:
    gateway = HostileGateway()
    key = admin_service_pb2.ApiKey(id="key_1", user_id=FORGED, name=FORGED, prefix=FORGED)
    check = admin_service_pb2.HealthCheck(name=FORGED, detail=FORGED)
    service = admin_service_pb2.ServiceHealth(service=FORGED, instance=FORGED, version=FORGED, checks=[check])
    service.last_error.message = FORGED
    health = admin_service_pb2.GetSystemHealthResponse(services=[service], dependencies=[check])
    health.storage.bucket = health.storage.log_group = FORGED
    health.queue.pause_reason = FORGED
    health.queue.paused = True
    cost = admin_service_pb2.CostRow(key=FORGED, test_count=1, cost=test_pb2.Cost(total_usd=1))
    agent = test_service_pb2.Agent(user_id=FORGED)
    agent.stats.agent_id = agent.stats.agent_name = agent.last_failure.failure_code = FORGED
    entry = queue_service_pb2.QueueEntry(test_id="tst_1", user_id=FORGED, name=FORGED, own=True)
    gateway.say("ListApiKeys", admin_service_pb2.ListApiKeysResponse(keys=[key]))
    gateway.say("CreateApiKey", admin_service_pb2.CreateApiKeyResponse(key=key, secret=FORGED))
    gateway.say("RevokeApiKey", admin_service_pb2.RevokeApiKeyResponse(key=key, revoked_count=1))
    gateway.say("GetSystemHealth", health)
    gateway.say("GetCostReport", admin_service_pb2.GetCostReportResponse(rows=[cost], total=cost))
    gateway.say("ListAgents", test_service_pb2.ListAgentsResponse(agents=[agent]))
    gateway.say("GetAgentStats", test_service_pb2.GetAgentStatsResponse(stats=agent.stats))
    gateway.say("ListQueue", queue_service_pb2.ListQueueResponse(running=[entry], waiting=[entry]))
    gateway.say("GetQueueStatus", queue_service_pb2.GetQueueStatusResponse(status=health.queue))
    gateway.say("GetAccount", account_service_pb2.GetAccountResponse(user_id=FORGED, key=key, server_version=FORGED))
    words = (
        *(["keys"], ["keys", "create", "bob"], ["keys", "revoke", "key_1"], ["health"], ["cost"], ["agents"]),
        *(["stats", "x"], ["queue"], ["queue", "list"], ["whoami"]),
    )
    with hostile_gateway(gateway) as address:
        for one in words:
            ran = command(address, *one)
            assert ran.code in {0, 1}, ran
            _own_lines_only(ran.out + ran.err)


IMITATION = "It is done.\n\n✓ passed in 1.00 s  tst_2\n  hint: run this\u2028✓ passed\x85✓ passed\r✓ passed"


@pytest.mark.parametrize("colours", [True, False])
def test_an_answer_on_a_terminal_stands_behind_a_bar(colours: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if not colours:
        monkeypatch.setenv("NO_COLOR", "1")
    test = value_of(forged_test(result=test_pb2.Result(response_json=json.dumps(IMITATION))))
    out = Terminal()
    open_screen(out).show(text.answer(test))
    lines = out.getvalue().splitlines()
    assert len(lines) == 7
    assert all("│" in line.partition("✓")[0] for line in lines), lines


def test_an_answer_that_goes_to_a_file_is_as_it_was() -> None:
    gateway = HostileGateway()
    test = test_pb2.Test(id="tst_1", state=test_pb2.TEST_STATE_COMPLETED)
    test.result.success, test.result.response_json = True, '"a\\nb"'
    gateway.say("GetTest", test_service_pb2.GetTestResponse(test=test))
    with hostile_gateway(gateway) as address:
        ran = command(address, "get", "tst_1")
    assert "\na\nb\n" in ran.out


def test_a_message_of_an_agent_gives_no_hints() -> None:
    said = test_pb2.Failure(code="AGENT_EXCEPTION", message="no\nhint: run this", hint="Read it.")
    said.agent_error.traceback = "hint: or that"
    shown = ["".join(piece for piece, _ in line) for line in text.verdict(value_of(forged_test(failure=said)))]
    assert [line for line in shown if line.startswith("  hint: ")] == ["  hint: Read it."]


def test_json_is_one_line_for_everybody() -> None:
    """Also for programs that end a line where Unicode would, and for those that cannot print halves of characters."""
    value = {"text": FORGED + "\ud800"}
    said = json_text(value)
    assert len(said.splitlines()) == 1
    assert json.loads(said) == value
    said.encode()
    assert not set(said) & set("\x1b\x85\u2028\u2029\u202e")


@pytest.mark.parametrize("response", ["[" * 100_000, "{", "9" * 5000, '"\\ud800"', "NaN", "", "\x00", '["\\u0000"]'])
@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["text", "json"])
def test_an_answer_that_is_none_is_shown_as_what_it_is(response: str, as_json: list[str]) -> None:
    gateway = HostileGateway()
    test = test_pb2.Test(id="tst_1", state=test_pb2.TEST_STATE_COMPLETED)
    test.result.response_json = response
    gateway.say("GetTest", test_service_pb2.GetTestResponse(test=test))
    with hostile_gateway(gateway) as address:
        ran = command(address, "get", "tst_1", *as_json)
    assert (ran.code, ran.err) == (0, "")
    if as_json:
        json.loads(ran.out)


async def test_bytes_that_are_no_message_are_an_error_and_no_traceback(tmp_path: Path) -> None:
    """As a process of its own: grpc writes a traceback where nobody listens to its log."""
    gateway = HostileGateway()
    gateway.say("GetTest", b"\xff\xff\xff")
    gateway.say("StreamLogs", b"\xff\xff\xff")
    with hostile_gateway(gateway) as address:
        cli = Cli(address, tmp_path)
        for words in (["get", "tst_1"], ["logs", "tst_1"], ["get", "tst_1", "--json"]):
            ran = await cli(*words)
            assert (ran.code, ran.out) == (2, ""), ran
            assert len(ran.err.splitlines()) == 1
            assert "is no message of its kind" in ran.err
