"""Files of a project and inputs on their way in, and what an agent leaves on its way out, through the real harness."""

from __future__ import annotations

import hashlib
import json
import os
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from services.orchestrator.harness.src.context import Context, ContextUnavailable
from services.orchestrator.harness.src.files import lay_out
from shared.domain.files import Joined, cut, join
from tests.unit.harness.http_store import Store, environment, store
from tests.unit.harness.started import Outcome, context, started, why_no_sandbox

OUTPUTS = {"max_files": 100, "max_bytes": 25 << 20}
WHERE = "import os\ndef run(q): return "


def listed(files: Joined) -> list[dict[str, Any]]:
    return [file._asdict() for file in files.files]


def laid_out(code: str, project: Joined, inputs: Joined) -> Context:
    """A context with these files."""
    lists = {"project": {"files": listed(project), "agent_path": ""}, "inputs": {"files": listed(inputs)}}
    return Context(json.dumps(context(code, **lists)).encode() + b"\n" + project.data + inputs.data)


@contextmanager
def at_work_in(folder: Path) -> Iterator[None]:
    """The harness unpacks into the current directory."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


class Kept:
    """What a run left."""

    def __init__(self, outcome: Outcome, contents: bytes) -> None:
        self.outcome = outcome
        self.left_out: list[str] = outcome.result["outputs_left_out"]
        self.listed: list[dict[str, Any]] = outcome.result["outputs"]
        self.contents = contents

    @property
    def files(self) -> dict[str, bytes]:
        """Each as its hash says."""
        found: dict[str, bytes] = {}
        start = 0
        for file in self.listed:
            found[file["path"]] = self.contents[start : start + file["size"]]
            start += file["size"]
            assert hashlib.sha256(found[file["path"]]).hexdigest() == file["sha256"]
        assert start == len(self.contents)
        return found


def run(code: str, *, project: Joined | None = None, inputs: Joined | None = None, **changes: Any) -> Kept:
    """As in a container, where the content stands behind the context and behind the result."""
    more: dict[str, Any] = {"outputs": OUTPUTS}
    if project:
        more["project"] = {"files": listed(project), "agent_path": ""}
    if inputs:
        more["inputs"] = {"files": listed(inputs)}
    raw = json.dumps(context(code, **{**more, **changes})).encode()
    raw += b"\n" + (project.data if project else b"") + (inputs.data if inputs else b"")
    with store(Store(raw)) as served, started(b"", env=environment(served)) as harness:
        outcome = harness.ended()
        assert served.result is not None, outcome.errors
        return Kept(Outcome(outcome.exit_code, outcome.output, served.result, outcome.errors), served.contents)


# -- in


def test_files_lie_where_they_were_with_their_modes() -> None:
    project = join({"prompts/a.txt": b"hi", "run.sh": b"#!/bin/sh\necho yes\n", "deep/er/x": b""}, ["run.sh"])
    code = """
        import os, subprocess
        def run(q):
            mode = lambda path: oct(os.stat(path).st_mode & 0o777)
            return [open("prompts/a.txt").read(), subprocess.check_output(["./run.sh"]).decode(),
                    [mode(p) for p in ("prompts", "prompts/a.txt", "run.sh", "deep/er/x", "in", "out")]]
    """
    text, said, modes = run(code, project=project).outcome.response
    assert (text, said) == ("hi", "yes\n")
    assert modes == ["0o555", "0o444", "0o555", "0o444", "0o755", "0o755"]


def test_inputs_lie_in_their_folder_and_the_agent_is_told_where() -> None:
    code = """
        import os
        def run(q):
            folder = os.environ["ASSAY_INPUT_DIR"]
            assert folder == os.path.abspath("in") and os.environ["ASSAY_OUTPUT_DIR"] == os.path.abspath("out")
            found = {name: open(os.path.join(folder, name)).read() for name in ("a.txt", "sub/b.txt")}
            return [found, oct(os.stat("in").st_mode & 0o777)]
    """
    inputs = join({"a.txt": b"1", "sub/b.txt": b"2"})
    assert run(code, inputs=inputs).outcome.response == [{"a.txt": "1", "sub/b.txt": "2"}, "0o555"]


def test_the_work_folder_stays_writable_beside_a_project() -> None:
    code = "def run(q):\n    open('notes.txt', 'w').write('x')\n    return open('notes.txt').read()"
    assert run(code, project=join({"a.txt": b""})).outcome.response == "x"


def test_a_container_that_is_started_anew_gets_its_files_anew(tmp_path: Path) -> None:
    project, inputs = join({"deep/a.txt": b"1", "run.sh": b""}, ["run.sh"]), join({"sub/b.txt": b"2"})
    code = "def run(q): return [open('deep/a.txt').read(), open('in/sub/b.txt').read()]"
    for _ in range(2):
        with at_work_in(tmp_path):
            lay_out(laid_out(code, project, inputs))
        assert (tmp_path / "deep/a.txt").read_text() + (tmp_path / "in/sub/b.txt").read_text() == "12"
        assert (tmp_path / "deep").stat().st_mode & 0o777 == 0o555
        assert (tmp_path / "run.sh").stat().st_mode & 0o777 == 0o555


@pytest.mark.parametrize("link", ["in", "out", "deep"])
def test_a_link_that_an_earlier_start_left_leads_no_file_out_of_the_work_folder(tmp_path: Path, link: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / link).symlink_to("../elsewhere")
    task = laid_out("", join({"deep/a.txt": b"1"}), join({"deep/b.txt": b"2"}))
    with at_work_in(tmp_path / "work"), pytest.raises(ContextUnavailable, match="cannot be laid out"):
        lay_out(task)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_the_content_of_files_takes_no_memory_once_they_are_laid_out(tmp_path: Path) -> None:
    task = laid_out("", join({"a.txt": b"1"}), join({}))
    with at_work_in(tmp_path):
        lay_out(task)
    assert task.contents == b""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda file: {**file, "sha256": "0" * 64}, "SHA-256 differs"),
        (lambda file: {**file, "path": "../x"}, "leads elsewhere"),
        (lambda file: {**file, "path": "/tmp/x"}, "leads elsewhere"),
        (lambda file: {**file, "size": 2}, "SHA-256 differs"),
        (lambda file: {"path": "x"}, "cannot be laid out"),
    ],
)
def test_files_that_are_not_what_was_handed_in_end_the_test(change: Any, words: str) -> None:
    project = join({"a.txt": b"abc"})
    kept_context = {"files": [change(file) for file in listed(project)], "agent_path": ""}
    raw = json.dumps(context(WHERE + "1", project=kept_context, outputs=OUTPUTS)).encode() + b"\nabc"
    with store(Store(raw)) as served, started(b"", env=environment(served)) as harness:
        harness.ended()
        assert served.result is not None
        assert served.result["code"] == "CONTEXT_UNAVAILABLE"
        assert words in served.result["error"]["message"]


def test_a_test_without_files_loads_nothing_for_them() -> None:
    code = "import sys\ndef run(q): return 'hashlib' in sys.modules"
    with started({**context(code), "outputs": OUTPUTS}) as harness:
        assert harness.ended().response is False


# -- out


def test_files_in_a_folder_that_the_agent_closed_to_itself_are_handed_back() -> None:
    kept = run("import os\ndef run(q):\n    open('out/a', 'w').write('x')\n    os.chmod('out', 0)\n    return 1")
    assert kept.files == {"a": b"x"}


def test_what_an_agent_leaves_is_handed_back() -> None:
    code = """
        import os
        def run(q):
            os.makedirs("out/sub")
            open("out/b.txt", "w").write("two")
            open("out/sub/a.bin", "wb").write(bytes(range(256)) * 1000)
            open("out/empty", "w").close()
            open("out/go.sh", "w").write("#!/bin/sh")
            os.chmod("out/go.sh", 0o755)
            return "ok"
    """
    kept = run(code)
    assert kept.files == {
        "b.txt": b"two",
        "empty": b"",
        "go.sh": b"#!/bin/sh",
        "sub/a.bin": bytes(range(256)) * 1000,
    }
    assert [file["executable"] for file in kept.listed] == [False, False, True, False]
    assert kept.left_out == []


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("raise ValueError('boom')", "AGENT_EXCEPTION"),
        ("os._exit(3)", "AGENT_EXITED"),
        ("import time; time.sleep(60)", "TIMED_OUT"),
    ],
)
def test_what_was_left_before_a_failure_is_handed_back(end: str, code: str) -> None:
    source = f"import os\ndef run(q):\n    open('out/a.txt', 'w').write('so far')\n    {end}"
    kept = run(source, timeout_s=1.0)
    assert kept.outcome.code == code
    assert kept.files == {"a.txt": b"so far"}


def test_no_link_leads_out_of_the_folder() -> None:
    code = """
        import os, socket
        def run(q):
            os.symlink("/etc/passwd", "out/passwd")
            os.symlink("/etc", "out/etc")
            os.symlink("../agent.py", "out/agent")
            os.symlink("a.txt", "out/inside")
            open("out/a.txt", "w").write("mine")
            os.mkfifo("out/pipe")
            socket.socket(socket.AF_UNIX).bind("out/socket")
            return "ok"
    """
    kept = run(code)
    assert kept.files == {"a.txt": b"mine"}
    assert kept.left_out == [
        "'agent' is a link",
        "'etc' is a link",
        "'inside' is a link",
        "'passwd' is a link",
        "'pipe' is neither a file nor a folder",
        "'socket' is neither a file nor a folder",
    ]


def test_a_folder_that_became_a_link_is_not_followed() -> None:
    code = "import os\ndef run(q):\n    os.rmdir('out'); os.symlink('/etc', 'out'); return 'ok'"
    kept = run(code)
    assert kept.files == {}
    assert kept.left_out == ["'out' is no folder any more"]


def test_a_sparse_file_takes_no_room() -> None:
    code = """
        import os
        def run(q):
            with open("out/a.bin", "wb") as file: file.truncate(1 << 40)
            open("out/b.txt", "w").write("kept")
            return "ok"
    """
    kept = run(code)
    assert kept.files == {"b.txt": b"kept"}
    assert kept.left_out == [f"'a.bin' has {1 << 40} bytes: {25 << 20} bytes are kept in all"]


def test_only_so_many_files_and_bytes_are_kept() -> None:
    code = """
        def run(q):
            for number in range(200): open(f"out/{number:03}", "w").write("x")
            return "ok"
    """
    kept = run(code)
    assert sorted(kept.files) == [f"{number:03}" for number in range(100)]
    assert kept.left_out[0] == "'100' is one too many: 100 files are kept"
    assert kept.left_out[-1] == "and 1 more"
    assert len(kept.left_out) == 100
    kept = run(code, outputs={"max_files": 5, "max_bytes": 3})
    assert sorted(kept.files) == ["000", "001", "002"]


def test_only_so_many_entries_are_looked_at() -> None:
    code = "def run(q):\n    for number in range(12000): open(f'out/{number}', 'w').close()\n    return 1"
    kept = run(code, outputs={"max_files": 3, "max_bytes": 100})
    assert len(kept.files) == 3
    assert kept.left_out[0] == "'...' and more: only 10000 entries are looked at"
    assert len(kept.left_out) == 100


def test_names_that_no_list_can_show_are_left_out() -> None:
    code = r"""
        import os
        def run(q):
            os.chdir("out")
            for name in (b"\xff\xfe", b"a\nb", b"a\\b", "ü".encode(), b"n" * 250): open(name, "w").close()
            for _ in range(40): os.mkdir("d"); os.chdir("d")
            return "ok"
    """
    kept = run(code)
    assert kept.files == {"ü": b""}
    assert len(kept.left_out) == 5
    assert all(text.isprintable() for text in kept.left_out)


def test_what_still_runs_changes_nothing_any_more() -> None:
    code = """
        import os, time
        def run(q):
            if os.fork() == 0:
                os.setsid()
                while True:
                    open("out/a.txt", "a").write("x" * 10000)
            while not os.path.exists("out/a.txt"): time.sleep(0.01)
            return "ok"
    """
    kept = run(code)
    assert list(kept.files) == ["a.txt"]
    assert "fork" not in kept.left_out


def test_nothing_is_handed_back_where_nobody_asks() -> None:
    with started(context("def run(q):\n    open('out/a', 'w').close()\n    return 1")) as harness:
        assert "outputs" not in harness.ended().result


@pytest.mark.skipif(why_no_sandbox() is not None, reason=str(why_no_sandbox()))
def test_files_go_both_ways_by_descriptors() -> None:
    """As the process runtime hands them over."""
    code = textwrap.dedent("def run(q):\n    open('out/a', 'w').write('left')\n    return 'ok'")
    with started({**context(code), "outputs": OUTPUTS}, sandbox=True) as harness:
        exit_code = harness.process.wait(60)
        line, _, contents = (harness.folder / "result").read_bytes().partition(b"\n")
        assert exit_code == 0
        result = json.loads(line)
        assert contents == b"left"
        assert result["outputs"] == [
            {"path": "a", "size": 4, "sha256": hashlib.sha256(b"left").hexdigest(), "executable": False}
        ]


def test_joined_files_are_cut_as_they_were_joined() -> None:
    files = join({"b": b"2", "a": b"1"})
    assert dict(cut(files.files, files.data)) == {"a": b"1", "b": b"2"}
