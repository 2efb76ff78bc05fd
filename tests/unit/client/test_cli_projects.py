"""What people see when they hand in files and get files."""

from __future__ import annotations

import io
import json
import os
import random
import zipfile

import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from grpc import StatusCode

from assay.v1 import test_pb2, test_service_pb2
from tests.unit.client.command import Cli
from tests.unit.client.fake_server import FakeServer, Refusal, Story, a_file, passed
from tests.unit.client.trees import grow

AGENT = 'from pathlib import Path\nfrom tools import shout\nP = (Path(__file__).parent / "prompts" / "system.txt")\n'
TREE = {"agent.py": AGENT, "tools.py": "", "prompts/system.txt": "Be brief.", "notes.txt": "", ".gitignore": "*.csv\n"}


def submitted(fake: FakeServer) -> test_pb2.TestSpec:
    [request] = [sent for sent in fake.requests if isinstance(sent, test_service_pb2.SubmitTestRequest)]
    return request.spec


def names(archive: test_pb2.Archive) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(archive.zip)) as opened:
        return opened.namelist()


async def test_a_file_that_imports_its_neighbour_is_refused_with_the_command_that_sends_both(
    cli: Cli, fake: FakeServer
) -> None:
    """Case 51."""
    grow(cli.folder, TREE)
    ran = await cli("submit", "agent.py", "-q", "hello there", "--label", "a=b")
    assert (ran.code, ran.out) == (2, "")
    assert "agent.py imports tools (line 2), which lies beside it and is not sent with a single file" in ran.err
    command = "assay submit agent.py --include tools.py --include prompts -q 'hello there' --label a=b"
    assert f"\n    {command}\n" in ran.err
    assert fake.requests == []
    again = await cli("submit", "agent.py", "--include", "tools.py", "--include", "prompts", "-q", "hello")
    assert again.code == 0
    assert names(submitted(fake).project) == ["agent.py", "prompts/system.txt", "tools.py"]
    assert submitted(fake).agent_path == "agent.py"


async def test_a_file_may_be_sent_alone_all_the_same(cli: Cli, fake: FakeServer) -> None:
    grow(cli.folder, TREE)
    assert (await cli("submit", "agent.py", "-q", "x", "--alone")).code == 0
    assert submitted(fake).agent_code == AGENT


async def test_a_file_that_only_opens_its_neighbours_is_sent_with_a_note(cli: Cli, fake: FakeServer) -> None:
    grow(cli.folder, {"bot.py": 'open("prompts/x.txt")', "prompts/x.txt": "", "requirements.txt": "httpx"})
    ran = await cli("submit", "bot.py", "-q", "x")
    assert (ran.code, ran.err) == (0, "note: prompts lies beside bot.py and is not sent: --include prompts\n")


async def test_a_block_of_requirements_that_nobody_reads_is_told(cli: Cli, fake: FakeServer) -> None:
    grow(cli.folder, {"bot.py": "#/// script\n# dependencies = ['httpx']\n# ///\n", "p/agent.py": "# /// script\n"})
    ran = await cli("submit", "bot.py", "-q", "x", "--dry-run")
    assert ran.err.startswith("note: bot.py, line 1: #/// script begins no block of requirements")
    ran = await cli("submit", "p", "-q", "x", "--dry-run")
    assert ran.err.startswith("note: agent.py, line 1: the block of requirements does not end")


async def test_what_a_folder_of_inputs_does_not_bring_is_told(cli: Cli, fake: FakeServer) -> None:
    grow(cli.folder, {"d/a": "", "d/.env": ""})
    ran = await cli("submit", "echo.py", "-q", "x", "--file", "d")
    assert ran.err.startswith("note: d/.env is not sent: environment variables are not sent as a file")


async def test_requirements_beside_a_file_that_needs_some_are_pointed_at(cli: Cli, fake: FakeServer) -> None:
    grow(cli.folder, {"bot.py": "import httpx", "requirements.txt": "httpx"})
    assert (
        "note: requirements.txt lies beside bot.py and is not used: -r requirements.txt"
        in (await cli("submit", "bot.py", "-q", "x")).err
    )
    assert (await cli("submit", "bot.py", "-q", "x", "-r", "requirements.txt")).err == ""


async def test_a_folder_is_sent_with_a_word_on_what_is_left_out(cli: Cli, fake: FakeServer) -> None:
    grow(cli.folder / "bot", {**TREE, "big.csv": "x" * 2000, ".env": "KEY=secret"})
    ran = await cli("submit", "bot", "-q", "x")
    assert ran.code == 0
    assert ran.out == f"{next(iter(fake.stories))}\n"
    assert ran.err.splitlines() == [
        "note: .env: environment variables are not sent as a file: --env-file hands their values to the agent",
        "sending 4 files, 113 B, 3 left out (--dry-run lists them)",
    ]
    assert names(submitted(fake).project) == ["agent.py", "notes.txt", "prompts/system.txt", "tools.py"]
    assert submitted(fake).agent_name == "bot"


async def test_a_dry_run_lists_everything_that_would_be_sent(cli: Cli, fake: FakeServer) -> None:
    grow(cli.folder / "bot", {**TREE, "big.csv": ""})
    grow(cli.folder, {"in.csv": "a,b"})
    ran = await cli(
        "submit", "bot", "-q", "x", "--dry-run", "--file", "data.csv=in.csv", "--agent-file", "bot/agent.py"
    )
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "       104 B  agent.py",
        "         0 B  notes.txt",
        "         9 B  prompts/system.txt",
        "         0 B  tools.py",
        "  4 files in the project, 113 B",
        "  left out  .gitignore  (version control)",
        "  left out  big.csv  (.gitignore)",
        "         3 B  data.csv",
        "  1 file in /work/in, 3 B",
        "valid: nothing was submitted",
    ]
    told = json.loads((await cli("submit", "bot", "-q", "x", "--dry-run", "--json")).out)
    assert told["valid"] is True
    assert [file["path"] for file in told["project"]["files"]] == [
        "agent.py",
        "notes.txt",
        "prompts/system.txt",
        "tools.py",
    ]
    assert told["project"]["left_out"][1] == {"path": "big.csv", "why": ".gitignore"}


async def test_several_files_are_a_project_of_the_first(cli: Cli, fake: FakeServer) -> None:
    grow(cli.folder, TREE)
    ran = await cli("submit", "tools.py", "agent.py", "prompts", "-q", "x")
    assert "note: the agent's file is agent.py; --agent-file names another\n" in ran.err
    assert names(submitted(fake).project) == ["agent.py", "prompts/system.txt", "tools.py"]
    assert (submitted(fake).agent_path, submitted(fake).agent_name) == ("agent.py", cli.folder.name)


async def test_a_file_for_the_agent_keeps_its_name_or_gets_one(cli: Cli, fake: FakeServer) -> None:
    grow(cli.folder, {"data/a.csv": "1", "b=c.csv": "2"})
    assert (await cli("submit", "echo.py", "-q", "x", "--file", "data/a.csv", "--file", "b=c.csv")).code == 0
    assert names(submitted(fake).inputs) == ["a.csv", "b=c.csv"]


async def test_variables_come_from_a_file_and_the_command_line_wins(cli: Cli, fake: FakeServer) -> None:
    grow(cli.folder, {".env": 'export KEY="from the file"  # said\nOTHER=2\n'})
    assert (await cli("submit", "echo.py", "-q", "x", "--env-file", ".env", "--env", "OTHER=3")).code == 0
    assert dict(submitted(fake).env) == {"KEY": "from the file", "OTHER": "3"}


async def test_a_test_without_a_query_is_asked_for(cli: Cli, fake: FakeServer) -> None:
    assert (await cli("submit", "echo.py", "--no-query", "--strict-answer", "--system", "git,nodejs")).code == 0
    assert list(submitted(fake).allow_hosts) == []
    spec = submitted(fake)
    assert not spec.HasField("query")
    assert (spec.strict_answer, list(spec.system_packages)) == (True, ["git", "nodejs"])


async def test_hosts_are_asked_for(cli: Cli, fake: FakeServer) -> None:
    options = ("--allow-host", "127.0.0.1:11434", "--allow-host", "10.0.0.0/8,models.intra:443")
    assert (await cli("submit", "echo.py", "-q", "x", *options)).code == 0
    assert list(submitted(fake).allow_hosts) == ["127.0.0.1:11434", "10.0.0.0/8", "models.intra:443"]


async def test_an_at_sign_can_be_asked(cli: Cli, fake: FakeServer) -> None:
    assert (await cli("submit", "echo.py", "-q", "@@alice what is new?")).code == 0
    assert submitted(fake).query == "@alice what is new?"


async def test_requirements_are_read_as_files_are(cli: Cli, fake: FakeServer) -> None:
    """Cases 30 and 31."""
    pinned = b"\xef\xbb\xbfhumanize==4.9.0 \\\r\n    --hash=sha256:" + b"a" * 64 + b"\r\n    # via x\r\n-r more.txt\r\n"
    grow(cli.folder, {"requirements.txt": pinned, "more.txt": "idna==3.7"})
    assert (await cli("submit", "echo.py", "-q", "x", "-r", "requirements.txt")).code == 0
    assert list(submitted(fake).requirements) == [f"humanize==4.9.0 --hash=sha256:{'a' * 64}", "idna==3.7"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("submit echo.py", "say what to ask, or --no-query"),
        ("submit echo.py -q x --no-query", "leave one of them out"),
        ("submit echo.py -q @alice", "alice: No such file. `@` at the start means a file"),
        ("submit echo.py -q x -r bad.txt", "bad.txt:1: '--index-url x': --index-url is not taken"),
        ("submit echo.py -q x -r bad.txt", "bad.txt:2: '-e ./lib': --editable is not taken"),
        ("submit echo.py -q x --env-file bad.txt", "bad.txt, line 1 is not NAME=VALUE"),
        ("submit echo.py -q x --include gone.py", "gone.py: there is no such file"),
        ("submit echo.py -q x --file gone.csv", "gone.csv: No such file"),
        ("submit gone -q x", "gone: No such file"),
        ("submit empty -q x", "empty has no files to send"),
        ("submit latin.py -q x", "latin.py, line 2: the byte 0xe9 is not utf-8"),
        ("submit . -q x --agent-file gone.py", "gone.py: there is no such file in ."),
        ("submit pipe -q x", "pipe: is no regular file"),
        ("submit echo.py -q x --file pipe", "pipe: is no regular file"),
        ("submit echo.py -q x --file x=/dev/zero", "/dev/zero: is no regular file"),
        ("submit echo.py -q x -r /dev/zero", "/dev/zero: is no regular file"),
        ("submit echo.py -q x --dockerfile /dev/zero", "/dev/zero: is no regular file"),
        ("submit echo.py -q x --env-file pipe", "pipe: is no regular file"),
        ("submit echo.py -q @pipe", "pipe: is no regular file"),
        ("submit echo.py -q x --file nothing", "nothing has no files to send"),
        ("submit . echo.py -q x", "one that is a folder comes after the agent's file"),
    ],
)
async def test_a_mistake_is_named_before_anything_is_sent(
    cli: Cli, fake: FakeServer, arguments: str, said: str
) -> None:
    grow(cli.folder, {"bad.txt": "--index-url x\n-e ./lib\n", "empty/.gitignore": "", "latin.py": b"x = 1\ny = '\xe9'"})
    os.mkfifo(cli.folder / "pipe")
    (cli.folder / "nothing").mkdir()
    ran = await cli(*arguments.split())
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert fake.requests == []


def finding(severity: int, message: str, **more: object) -> test_service_pb2.Finding:
    return test_service_pb2.Finding(severity=severity, code="X", message=message, **more)  # type: ignore[arg-type]


async def test_a_dry_run_with_an_error_is_not_valid(cli: Cli, fake: FakeServer) -> None:
    """Case 57."""
    fake.findings = [
        finding(test_service_pb2.SEVERITY_ERROR, "Nothing to call.", path="agent.py", line=7, hint="-e __main__"),
        finding(test_service_pb2.SEVERITY_WARNING, "No \x1b[2Jyaml."),
    ]
    ran = await cli("submit", "echo.py", "-q", "x", "--dry-run")
    assert (ran.code, ran.err) == (2, "")
    assert ran.out == (
        "error: agent.py:7: Nothing to call.\n  hint: -e __main__\nwarning: No \\x1b[2Jyaml.\n"
        "invalid: the test would fail; nothing was submitted\n"
    )
    told = await cli("submit", "echo.py", "-q", "x", "--dry-run", "--json")
    assert told.code == 2
    assert json.loads(told.out)["valid"] is False
    assert json.loads(told.out)["findings"][0] == {
        "severity": "ERROR",
        "code": "X",
        "message": "Nothing to call.",
        "hint": "-e __main__",
        "path": "agent.py",
        "line": 7,
    }


async def test_findings_of_a_test_that_was_made_are_said_beside_its_id(cli: Cli, fake: FakeServer) -> None:
    note = finding(test_service_pb2.SEVERITY_NOTE, "Another one may bring it along.")
    fake.findings = [finding(test_service_pb2.SEVERITY_WARNING, "No yaml.", line=3), note]
    ran = await cli("submit", "echo.py", "-q", "x")
    assert ran == (0, f"{next(iter(fake.stories))}\n", "warning: 3: No yaml.\n")
    assert "Another one may" in (await cli("submit", "echo.py", "-q", "x", "--dry-run")).out


async def test_a_project_that_is_too_large_is_told_with_its_largest_files(cli: Cli, fake: FakeServer) -> None:
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="spec.project", description="has 5,000 KiB; at most 1 KiB is allowed")
    fake.refusals["SubmitTest"] = [Refusal(StatusCode.INVALID_ARGUMENT, "no", (bad,))]
    grow(cli.folder / "bot", {"agent.py": "x", "a.bin": b"x" * 3000, "b.bin": b"x" * 2000})
    ran = await cli("submit", "bot", "-q", "x")
    assert ran.code == 2
    assert "(3 files, 4.9 KiB; largest: a.bin 2.9 KiB; b.bin 2.0 KiB; agent.py 0.0 KiB)" in ran.err


async def test_an_upload_of_too_many_files_is_told_with_their_folders(cli: Cli, fake: FakeServer) -> None:
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="data", description="has 5 files; an upload may have at most 3")
    fake.refusals["UploadArchive"] = [Refusal(StatusCode.INVALID_ARGUMENT, "no", (bad,))] * 10  # a reason can get lost
    grow(cli.folder / "bot", {"agent.py": "x", "a/1": random.Random(1).randbytes(1 << 21), "a/2": "", "b/1": ""})
    ran = await cli("submit", "bot", "-q", "x")
    assert ran.code == 2
    said = "spec.project  has 5 files; an upload may have at most 3 (4 files, 2.0 MiB, most of them in: a/ 2; b/ 1; "
    assert said in ran.err


@pytest.fixture
def with_files(fake: FakeServer) -> FakeServer:
    test = passed("tst_a")
    for files, kind, content in (
        (test.project_files, test_service_pb2.FILE_KIND_PROJECT, {"agent.py": b"x"}),
        (test.input_files, test_service_pb2.FILE_KIND_INPUT, {"data.csv": b"a,b"}),
        (test.output_files, test_service_pb2.FILE_KIND_OUTPUT, {"report.md": b"# hello", "charts/a.bin": b"\0\xff"}),
    ):
        for path, data in content.items():
            files.append(a_file(path, data))
            fake.files[kind, path] = data
    test.files_expire_time.FromSeconds(1_800_000_000)
    fake.stories["tst_a"] = Story([test])
    return fake


async def test_the_files_of_a_test_are_listed(cli: Cli, with_files: FakeServer) -> None:
    ran = await cli("files", "tst_a")
    assert ran.out.splitlines() == [
        "project         1 B  2d711642b726  agent.py",
        "input           3 B  1eb7c54d5283  data.csv",
        "output          7 B  ea67f39f2a70  report.md",
        "output          2 B  06eb7d6a69ee  charts/a.bin",
        "outputs are kept until 2027-01-15 08:00",
    ]
    told = json.loads((await cli("files", "tst_a", "--json")).out)
    assert [file["kind"] for file in told["files"]] == ["PROJECT", "INPUT", "OUTPUT", "OUTPUT"]


async def test_all_outputs_are_downloaded_into_a_folder(cli: Cli, with_files: FakeServer) -> None:
    ran = await cli("download", "tst_a", "--to", "got")
    assert ran == (0, "got/report.md  7 B\ngot/charts/a.bin  2 B\n", "")
    assert (cli.folder / "got" / "charts" / "a.bin").read_bytes() == b"\0\xff"
    again = await cli("download", "tst_a", "--to", "got")
    assert again.code == 2
    assert "got/report.md is there already (--force writes over it): nothing was written" in again.err
    assert (await cli("download", "tst_a", "--to", "got", "--force")).code == 0


async def test_one_file_is_downloaded_by_name_and_kind(cli: Cli, with_files: FakeServer) -> None:
    assert (await cli("download", "tst_a", "report.md", "-o", "r.md")).out == "r.md  7 B\n"
    assert (await cli("download", "tst_a", "report.md", "-o", "-")).out == "# hello"
    assert (await cli("download", "tst_a", "--kind", "input")).out == "data.csv  3 B\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("gone.txt", "the test has no output file 'gone.txt'; there are: report.md, charts/a.bin"),
        ("-o one", "-o is for a single file, and there are 2"),
        ("-o one --to two", "-o names a file and --to a folder"),
        ("--kind strange", "'strange' is none of project, input, output"),
    ],
)
async def test_a_file_that_cannot_be_had_is_told(cli: Cli, with_files: FakeServer, arguments: str, said: str) -> None:
    ran = await cli("download", "tst_a", *arguments.split())
    assert ran.code == 2
    assert said in ran.err


async def test_a_hostile_name_is_not_written(cli: Cli, fake: FakeServer) -> None:
    test = passed("tst_a")
    test.output_files.append(a_file("../evil.txt", b"x"))
    fake.stories["tst_a"] = Story([test])
    ran = await cli("download", "tst_a", "--to", "got")
    assert ran.code == 2
    assert "leads out of the folder" in ran.err
    assert not (cli.folder / "evil.txt").exists()


async def test_what_was_not_kept_is_said(cli: Cli, fake: FakeServer) -> None:
    test = passed("tst_a")
    test.result.files_left_out.extend(["link: a link\x1b[2J", *(f"{number}: too large" for number in range(6))])
    fake.stories["tst_a"] = Story([test])
    for command in ("files", "watch"):
        shown = (await cli(command, "tst_a")).out
        assert "  not kept: link: a link\\x1b[2J\n" in shown
        assert "  and 2 more (--json has all)\n" in shown


async def test_a_story_ends_with_the_files_that_were_left(cli: Cli, with_files: FakeServer) -> None:
    assert "  2 files: assay download tst_a\n" in (await cli("watch", "tst_a")).out
    shown = (await cli("get", "tst_a")).out
    assert "  files     report.md (7 B), charts/a.bin (2 B)\n" in shown
    assert "  inputs    data.csv (3 B)\n" in shown


async def test_downloads_are_written_to_no_place_outside_of_the_folder(cli: Cli, with_files: FakeServer) -> None:
    grow(cli.folder, {"victim/keep": "", "got/report.md/x": ""})
    (cli.folder / "got" / "charts").mkdir()
    (cli.folder / "got" / "charts" / "a.bin").symlink_to(cli.folder / "victim")
    ran = await cli("download", "tst_a", "charts/a.bin", "--to", "got")
    assert "got/charts/a.bin is there already" in ran.err
    assert (await cli("download", "tst_a", "charts/a.bin", "--to", "got", "--force")).code == 0
    assert (cli.folder / "got" / "charts" / "a.bin").read_bytes() == b"\0\xff"
    assert [path.name for path in (cli.folder / "victim").iterdir()] == ["keep"]
    ran = await cli("download", "tst_a", "--to", "got", "--force")
    assert (ran.code, ran.out) == (2, "")
    assert "got/report.md is a folder: nothing was written" in ran.err


async def test_nothing_is_written_where_a_link_to_nothing_is_in_the_way(cli: Cli, with_files: FakeServer) -> None:
    grow(cli.folder, {"got/charts/x": ""})
    (cli.folder / "got" / "charts" / "a.bin").symlink_to("gone")
    ran = await cli("download", "tst_a", "--to", "got")
    assert "got/charts/a.bin is there already (--force writes over it): nothing was written" in ran.err
    assert not (cli.folder / "got" / "report.md").exists()
