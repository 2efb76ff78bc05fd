import asyncio
import json
import os
import pty
import re
import signal
from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from assay.v1 import log_pb2, test_pb2, test_service_pb2
from tests.support.until import until
from tests.unit.client.command import Cli
from tests.unit.client.fake_server import KEY, FakeServer, Refusal, Story, a_test, failed, line, passed


def submitted(fake: FakeServer) -> test_pb2.TestSpec:
    [request] = [sent for sent in fake.requests if isinstance(sent, test_service_pb2.SubmitTestRequest)]
    return request.spec


def tell(fake: FakeServer, end: str = "passed", lines: Sequence[log_pb2.LogLine] = (), **complete: Any) -> None:
    """Every submitted test goes through all states, with these lines, to this end."""

    def story(test_id: str) -> Story:
        waiting = a_test(test_id, "QUEUED")
        waiting.queue_place.position = 3
        waiting.queue_place.estimated_wait.FromSeconds(12)
        states = [waiting, a_test(test_id, "BUILDING", attempt=1), a_test(test_id, "RUNNING", attempt=1)]
        last = passed(test_id) if end == "passed" else failed(test_id)
        said = {"expected": len(lines), "received": len(lines), "complete": True, **complete}
        return Story([*states, last], list(lines), log_pb2.LogsComplete(**said), told=asyncio.Event())

    fake.next_story = story


async def test_submit_prints_the_id(cli: Cli, fake: FakeServer) -> None:
    ran = await cli("submit", "echo.py", "-q", "hello")
    assert ran == (0, f"{next(iter(fake.stories))}\n", "")
    assert submitted(fake).agent_name == "echo"


async def test_submit_says_everything_that_it_was_told(cli: Cli, fake: FakeServer) -> None:
    (cli.folder / "requirements.txt").write_text("httpx>=0.27  # web\n\n# nothing\nrich\n", encoding="utf-8")
    cli.environment["FROM_HERE"] = "here"
    ran = await cli(
        *("submit", "echo.py", "-q", "-", "-r", "requirements.txt", "-e", "agent:go", "--model", "ollama:llama3.2:1b"),
        *("--timeout", "5m", "--memory", "2g", "--cpu", "0.5", "--no-network", "--label", "team=blue", "-l", "x="),
        *("--env", "A=1=2", "--env", "FROM_HERE", "--secret", "KEY=prod/key", "--priority", "9", "--name", "mine"),
        stdin="a long\nquery",
    )
    assert ran.code == 0
    spec = submitted(fake)
    assert spec.query == "a long\nquery"
    assert list(spec.requirements) == ["httpx>=0.27", "rich"]
    assert spec.entrypoint == "agent:go"
    assert (spec.model.provider, spec.model.model_id) == ("ollama", "llama3.2:1b")
    assert (spec.timeout.seconds, spec.resources.memory_mib, spec.resources.cpu) == (300, 2048, 0.5)
    assert spec.network == test_pb2.NETWORK_ACCESS_NONE
    assert dict(spec.labels) == {"team": "blue", "x": ""}
    assert dict(spec.env) == {"A": "1=2", "FROM_HERE": "here"}
    assert dict(spec.secret_refs) == {"KEY": "prod/key"}
    assert (spec.priority, spec.name) == (9, "mine")


async def test_a_query_may_come_from_a_file(cli: Cli, fake: FakeServer) -> None:
    (cli.folder / "query.txt").write_text("from a file", encoding="utf-8")
    assert (await cli("submit", "echo.py", "-q", "@query.txt")).code == 0
    assert submitted(fake).query == "from a file"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["submit", "nowhere.py", "-q", "x"], "nowhere.py: No such file"),
        (["submit", "echo.py", "-q", "@nowhere.txt"], "nowhere.txt: No such file"),
        (["submit", "echo.py"], "--query"),
        (["submit", "echo.py", "-q", "x", "--timeout", "soon"], "'soon' is no duration"),
        (["submit", "echo.py", "-q", "x", "--memory", "lots"], "'lots' is no size"),
        (["submit", "echo.py", "-q", "x", "--cpu", "nan"], "--cpu: 'nan' is no number"),
        (["submit", "echo.py", "-q", "x", "--priority", "10"], "'10' is too large: write a number from 0 to 9"),
        (["submit", "echo.py", "-q", "x", "--label", "alone"], "'alone' is not KEY=VALUE"),
        (["submit", "echo.py", "-q", "x", "--env", "NOT_SET_ANYWHERE"], "is not set here"),
        (["list", "--state", "lost"], "'lost' is none of submitted"),
        (["get", "tst_nobody"], "there is no test tst_nobody"),
        (["get", "last"], "You have no tests yet."),
        (["fly"], "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_a_mistake_is_named_and_ends_with_2(cli: Cli, arguments: list[str], said: str) -> None:
    ran = await cli(*arguments)
    assert ran.code == 2
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


async def test_following_a_test_tells_its_story_in_plain_lines(cli: Cli, fake: FakeServer) -> None:
    tell(
        fake,
        lines=[
            line(1, "Collecting httpx", stream=log_pb2.LOG_STREAM_BUILD),
            line(2, "hello"),
            line(3, "oh", stream=log_pb2.LOG_STREAM_STDERR, level=log_pb2.LOG_LEVEL_WARNING),
        ],
    )
    ran = await cli("submit", "echo.py", "-q", "What is new?", "-f")
    assert (ran.code, ran.err) == (0, "")
    test_id = next(iter(fake.stories))
    told = ran.out.splitlines()
    assert told[:2] == [f"{test_id}  echo  What is new?", "submitted"]
    assert "queued     position 3, about 12 s" in told
    assert [told.index("building"), told.index("running")] == sorted([told.index("building"), told.index("running")])
    assert told.index("building") < told.index("  22:13:20.001 + Collecting httpx")
    assert told.index("running") < told.index("  22:13:20.002 | hello") < told.index("  22:13:20.003 ! oh")
    assert "\n".join(told[-8:]) == "\n".join(
        [
            "  3 lines, complete",
            "",
            "{",
            '  "answer": 42',
            "}",
            "",
            f"✓ passed in 1.32 s  {test_id}",
            "  queue 20 ms · run 380 ms · peak 31.0 MiB",
        ]
    )


async def test_a_failed_test_ends_with_1_and_says_why(cli: Cli, fake: FakeServer) -> None:
    tell(fake, "failed")
    ran = await cli("submit", "echo.py", "-q", "x", "--follow")
    assert ran.code == 1
    assert "✗ AGENT_EXCEPTION in run\n  ValueError: boom\n" in ran.out
    assert 'File "agent.py", line 3' in ran.out
    assert "hint: Read the traceback." in ran.out
    assert "failed in 1.32 s" in ran.out


async def test_following_as_json_is_one_object_a_line(cli: Cli, fake: FakeServer) -> None:
    tell(fake, "failed", [line(1), line(2)], complete=False, expected=3, missing=[log_pb2.SeqRange(first=3, last=3)])
    ran = await cli("submit", "echo.py", "-q", "x", "-f", "--json")
    assert ran.code == 1
    told = [json.loads(text) for text in ran.out.splitlines()]
    assert told[0]["event"] == "submitted"
    assert [entry["line"]["text"] for entry in told if entry["event"] == "log"] == ["line 1", "line 2"]
    states = [entry["test"]["state"] for entry in told if entry["event"] in {"current", "state_changed"}]
    assert states == ["QUEUED", "BUILDING", "RUNNING"]
    [complete] = [entry["logs"] for entry in told if entry["event"] == "logs_complete"]
    assert complete == {"expected": 3, "received": 2, "complete": False, "truncated": False, "missing": [[3, 3]]}
    assert told[-1]["event"] == "ended"
    assert told[-1]["passed"] is False
    assert told[-1]["test"]["failure"]["code"] == "AGENT_EXCEPTION"


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ('"one\\ntwo"', "one\ntwo"),
        ("null", "null"),
        ('""', ""),
        ("12345678901234567890", "12345678901234567890"),
        ('{"ä": ["\\u001b[2J"]}', '{\n  "ä": [\n    "\\u001b[2J"\n  ]\n}'),
        ('"half \\ud800 of a pair"', "half \\ud800 of a pair"),
        ('"clear \\u001b[2J and bell \\u0007"', "clear \\x1b[2J and bell \\x07"),
    ],
    ids=["text", "null", "empty text", "big number", "json", "half a pair", "control characters"],
)
async def test_the_answer_is_shown_as_it_is_and_steers_no_terminal(
    cli: Cli, fake: FakeServer, answer: str, shown: str
) -> None:
    fake.stories["tst_a"] = Story([passed("tst_a", answer)])
    ran = await cli("watch", "tst_a")
    assert ran.code == 0
    assert ran.out.startswith(f"{shown}\n\n✓ passed")


async def test_json_steers_no_terminal_either(cli: Cli, fake: FakeServer) -> None:
    fake.stories["tst_a"] = Story([passed("tst_a", '"ä \\u009b2J \\u007f \\u202e"')])
    ran = await cli("get", "tst_a", "--json")
    assert "ä" in ran.out
    assert not {"\x9b", "\x7f", "\u202e"} & set(ran.out)
    assert json.loads(ran.out)["result"]["response"] == "ä \x9b2J \x7f \u202e"


async def test_watch_ends_with_how_the_test_ended(cli: Cli, fake: FakeServer) -> None:
    fake.stories["tst_a"] = Story([a_test("tst_a", "RUNNING", attempt=2), failed("tst_a", "CANCELLED")])
    ran = await cli("watch", "tst_a")
    assert ran.code == 1
    assert ran.out.startswith("running    attempt 2\n")
    assert "cancelled in 1.32 s" in ran.out


async def test_get_shows_a_test_and_json_has_all_of_it(cli: Cli, fake: FakeServer) -> None:
    fake.stories["tst_a"] = Story([passed("tst_a")])
    fake.listed = [a_test("tst_a", "COMPLETED")]
    ran = await cli("get", "last")
    assert ran.code == 0
    assert ran.out.startswith("tst_a  COMPLETED\n")
    assert "\n  query     What is new?\n" in ran.out
    assert "✓ passed in 1.32 s" in ran.out
    ran = await cli("get", "tst_a", "--json")
    assert json.loads(ran.out)["result"]["response"] == {"answer": 42}


async def test_what_was_called_is_shown_where_it_is_not_as_everybody_expects(cli: Cli, fake: FakeServer) -> None:
    test = passed("tst_a")
    entry = test.result.entry
    entry.name, entry.call, entry.query_passed = "agent:run", "run(query)", True
    fake.stories["tst_a"] = Story([test])
    assert "called" not in (await cli("watch", "tst_a")).out
    assert "\n  called run(query)\n" in (await cli("get", "tst_a")).out
    entry.candidates.extend(["agent:main", "agent:agent"])
    assert "\n  called run(query)   also there: agent:main, agent:agent\n" in (await cli("watch", "tst_a")).out
    entry.named = True
    assert "called" not in (await cli("watch", "tst_a")).out
    entry.call, entry.query_passed = "run()", False
    assert "\n  called run() without the query\n" in (await cli("watch", "tst_a")).out
    entry.call = ""  # what is there was refused, and nothing was called
    assert "called" not in (await cli("watch", "tst_a")).out
    assert "called" not in (await cli("get", "tst_a")).out
    assert json.loads((await cli("get", "tst_a", "--json")).out)["result"]["entry"]["candidates"] == [
        "agent:main",
        "agent:agent",
    ]


async def test_conversions_are_named_and_many_are_counted(cli: Cli, fake: FakeServer) -> None:
    test = passed("tst_a")
    for number in range(8):
        test.result.conversions.add(path=f"answer[{number}]", type="datetime.date", how="isoformat")
    fake.stories["tst_a"] = Story([test])
    out = (await cli("watch", "tst_a")).out
    assert "\n  converted answer[0]  datetime.date by isoformat\n" in out
    assert out.count("converted") == 5
    assert out.endswith("  and 3 more (--json has all)\n")
    shown = json.loads((await cli("get", "tst_a", "--json")).out)["result"]["conversions"]
    assert shown[7] == {"path": "answer[7]", "type": "datetime.date", "how": "isoformat"}


async def test_list_shows_rows_and_where_to_go_on(cli: Cli, fake: FakeServer) -> None:
    fake.listed = [failed("tst_0"), *(a_test(f"tst_{number}", "QUEUED") for number in range(1, 5))]
    ran = await cli("list", "--limit", "3")
    assert ran.code == 0
    head, *rows, more = ran.out.splitlines()
    assert head.split() == ["TEST", "STATE", "NAME", "SUBMITTED", "RUN", "QUERY", "OR", "FAILURE"]
    assert [row.split()[0] for row in rows] == ["tst_0", "tst_1", "tst_2"]
    assert "AGENT_EXCEPTION" in rows[0]
    assert more == "more: add --page-token 3"
    ran = await cli("list", "--page-token", "3", "--json")
    assert [test["id"] for test in json.loads(ran.out)["tests"]] == ["tst_3", "tst_4"]
    fake.listed = []
    assert (await cli("list")).out == "no tests\n"


async def test_logs_are_the_output_as_it_was(cli: Cli, fake: FakeServer) -> None:
    piece = "x" * (16 * 1024)
    fake.stories["tst_a"] = Story(
        [passed("tst_a")],
        [line(1, "one"), line(2, piece), line(3, "yz", continued=True), line(4, piece), line(5, "\x1b[31mred\x1b[0m")],
        log_pb2.LogsComplete(expected=5, received=5, complete=True),
    )
    ran = await cli("logs", "tst_a")
    assert ran == (0, f"one\n{piece}yz\n{piece}\n\x1b[31mred\x1b[0m\n", "")


async def test_logs_say_what_is_missing(cli: Cli, fake: FakeServer) -> None:
    complete = log_pb2.LogsComplete(expected=4, received=2, missing=[log_pb2.SeqRange(first=2, last=3)])
    fake.stories["tst_a"] = Story([passed("tst_a")], [line(1), line(4)], complete)
    ran = await cli("logs", "tst_a", "-f")
    assert ran == (0, "line 1\nline 4\n", "note: 2 lines, 2 missing\n")
    ran = await cli("logs", "tst_a", "--json")
    assert [json.loads(text) for text in ran.out.splitlines()][-1]["logs_complete"]["missing"] == [[2, 3]]
    assert (await cli("logs", "tst_a", "--tail", "1", "-t")).out == "  22:13:20.004 | line 4\n"


async def test_a_reader_that_stops_reading_is_no_error(cli: Cli, fake: FakeServer) -> None:
    lines = [line(seq, "x" * 1000) for seq in range(1, 2000)]
    fake.stories["tst_a"] = Story([passed("tst_a")], lines, log_pb2.LogsComplete(complete=True))
    process = await cli.start("logs", "tst_a", stdin=asyncio.subprocess.DEVNULL)
    assert process.stdout is not None
    assert process.stderr is not None
    await process.stdout.readline()
    process.stdout._transport.close()  # type: ignore[attr-defined]
    assert await asyncio.wait_for(process.stderr.read(), 10) == b""
    assert await process.wait() == 141


async def test_cancel_and_queue(cli: Cli, fake: FakeServer) -> None:
    fake.stories["tst_a"] = Story([a_test("tst_a", "RUNNING")])
    assert await cli("cancel", "tst_a") == (0, "tst_a  stopping: its task was told to end\n", "")
    assert json.loads((await cli("cancel", "tst_a", "--json")).out)["outcome"] == "STOPPING"
    ran = await cli("queue")
    assert ran.out.startswith("waiting 3   running 10 of 10 slots (100 %)")
    assert json.loads((await cli("queue", "--json")).out)["pending"] == 3


async def test_every_bad_field_is_shown(cli: Cli, fake: FakeServer) -> None:
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="spec.query", description="must not be empty")
    bad.field_violations.add(field="spec.requirements[0]", description="is an option")
    refusal = Refusal(grpc.StatusCode.INVALID_ARGUMENT, "2 fields are wrong", (bad,))
    fake.refusals["SubmitTest"] = [refusal, refusal]
    ran = await cli("submit", "echo.py", "-q", "")
    assert ran == (
        2,
        "",
        (
            "error: the server refuses this:\n"
            "  spec.query            must not be empty\n"
            "  spec.requirements[0]  is an option\n"
        ),
    )
    ran = await cli("submit", "echo.py", "-q", "", "--json")
    assert ran.code == 2
    assert json.loads(ran.err)["error"]["violations"][0] == {"field": "spec.query", "description": "must not be empty"}


async def test_a_rate_limit_says_when_there_is_room(cli: Cli, fake: FakeServer) -> None:
    retry = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=754))
    fake.refusals["SubmitTest"] = [Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many submissions", (retry,))]
    ran = await cli("submit", "echo.py", "-q", "x")
    assert ran == (2, "", "error: too many submissions\n  Try again in 12 min 34 s.\n")


async def test_no_server_says_what_to_do(cli: Cli) -> None:
    cli.environment["ASSAY_ADDRESS"] = "127.0.0.1:1"
    ran = await cli("queue")
    assert ran.code == 2
    assert "no Assay server answers at 127.0.0.1:1 (known from ASSAY_ADDRESS)" in ran.err
    assert "`assay dev`" in ran.err
    del cli.environment["ASSAY_ADDRESS"]
    ran = await cli("queue")
    assert ran.code == 2
    assert "`assay dev`" in ran.err


async def test_a_wrong_key_says_where_to_give_the_right_one(cli: Cli) -> None:
    cli.environment["ASSAY_API_KEY"] = "wrong"
    ran = await cli("queue")
    assert ran.code == 2
    assert "ASSAY_API_KEY" in ran.err
    assert "wrong" not in ran.err


async def test_the_local_file_is_enough(cli: Cli, address: str) -> None:
    del cli.environment["ASSAY_ADDRESS"], cli.environment["ASSAY_API_KEY"]
    (cli.folder / ".assay").mkdir()
    content = json.dumps({"address": address, "api_key": KEY})
    (cli.folder / ".assay" / "client.json").write_text(content, encoding="utf-8")
    assert (await cli("queue")).code == 0


async def test_an_interrupted_follower_leaves_the_test_alone(cli: Cli, fake: FakeServer) -> None:
    def story(test_id: str) -> Story:
        return Story([a_test(test_id, "RUNNING"), passed(test_id)], [line(1)], gate=asyncio.Event())

    fake.next_story = story
    process = await cli.start("submit", "echo.py", "-q", "x", "-f")
    assert process.stdout is not None
    while b"line 1" not in await asyncio.wait_for(process.stdout.readline(), 10):
        pass
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), 10)
    test_id = next(iter(fake.stories))
    assert process.returncode == 130
    assert "goes on without you" in err.decode()
    assert f"assay cancel {test_id}" in err.decode()
    assert "Traceback" not in err.decode()
    assert not [sent for sent in fake.requests if isinstance(sent, test_service_pb2.CancelTestRequest)]


async def on_a_terminal(cli: Cli, *arguments: str) -> tuple[int | None, str]:
    """What a terminal is sent."""
    ours, theirs = pty.openpty()
    process = await cli.start(*arguments, stdout=theirs)
    os.close(theirs)
    os.set_blocking(ours, False)
    shown = b""

    def read() -> bool:
        nonlocal shown
        try:
            part = os.read(ours, 65536)
        except BlockingIOError:
            return False
        except OSError:  # the other end is closed
            return True
        shown += part
        return not part

    await until(read, timeout=20)
    os.close(ours)
    await process.communicate()
    return process.returncode, shown.decode()


async def test_a_terminal_gets_colours_and_a_status_line(cli: Cli, fake: FakeServer) -> None:
    tell(fake, lines=[line(1, "\x1b]0;owned\x07hello"), line(2, "[bold]no markup[/bold]")])
    code, shown = await on_a_terminal(cli, "submit", "echo.py", "-q", "x", "-f")
    assert code == 0
    assert "\x1b[" in shown
    assert "\\x1b]0;owned\\x07hello" in shown
    assert "\x1b]0;" not in shown
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert "[bold]no markup[/bold]" in text
    assert "✓ passed in 1.32 s" in text


async def test_what_one_waits_for_is_told_on_a_terminal_and_not_among_the_results(cli: Cli, fake: FakeServer) -> None:
    fake.archived = test_service_pb2.ArchiveTestsResponse(archived_count=2)
    assert await cli("archive") == (0, "2 tests archived\n", "")
    assert "archiving" in (await on_a_terminal(cli, "archive"))[1]
    cli.environment["NO_COLOR"] = "1"
    assert await on_a_terminal(cli, "archive", "--dry-run") == (0, "counting\r\n2 tests would be archived\r\n")


async def test_no_color_on_a_terminal_is_plain(cli: Cli, fake: FakeServer) -> None:
    tell(fake, lines=[line(1, "hello")])
    cli.environment["NO_COLOR"] = "1"
    code, shown = await on_a_terminal(cli, "submit", "echo.py", "-q", "x", "-f")
    assert code == 0
    assert "\x1b" not in shown
    assert "| hello" in shown


async def test_dev_without_the_server_says_how_to_get_it(cli: Cli) -> None:
    other = cli.folder / "site" / "deploy"  # somebody else's package of the same name
    other.mkdir(parents=True)
    (other / "__init__.py").touch()
    cli.environment["PYTHONPATH"] += f"{os.pathsep}{other.parent}"
    ran = await cli("dev", "--anything")
    assert ran.code == 2
    assert "assay[server]" in ran.err


async def test_dev_becomes_local_mode_with_its_options(cli: Cli) -> None:
    package = cli.folder / "site" / "deploy" / "local"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").touch()
    (package / "__main__.py").write_text("import sys; print('local', sys.argv[1:])", encoding="utf-8")
    cli.environment["PYTHONPATH"] += f"{os.pathsep}{cli.folder / 'site'}"
    assert await cli("dev", "--port", "1", "--help") == (0, "local ['--port', '1', '--help']\n", "")
