"""Starts the real harness as a process, plain or as PID 1 of a sandbox, and reads back what it said.

Every run is held against the output protocol: whatever an agent does, numbers have no holes and the end mark is last.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HARNESS = Path(__file__).parents[3] / "services/orchestrator/harness/test_runner.py"
REST = HARNESS.with_name("test_runner_rest.py")
SYSTEM_PYTHON = "/usr/bin/python3"
NONCE = "4e6f6e63652d6f662d746869732d74657374"
LIMITS = {"lines": 100_000, "bytes": 52_428_800, "line_bytes": 16_384, "response_bytes": 1_048_576}

NOBODY = 65534
SANDBOX = [
    *(
        "bwrap",
        "--unshare-user",
        "--uid",
        "1000",
        "--gid",
        "1000",
        "--unshare-pid",
        "--unshare-ipc",
        "--cap-drop",
        "ALL",
    ),
    *("--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--die-with-parent", "--new-session", "--as-pid-1"),
]
if os.geteuid() == 0:  # as the process runtime does: root outside would own what is hidden inside
    SANDBOX = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs", *SANDBOX]


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that a run left: its output, its result object, its exit code and how long it took."""

    exit_code: int
    output: Sequence[Mapping[str, Any]]
    result: Mapping[str, Any]
    errors: str

    @property
    def lines(self) -> Sequence[Mapping[str, Any]]:
        return [line for line in self.output if "seq" in line]

    @property
    def marks(self) -> Sequence[str]:
        return [line["mark"] for line in self.output if "mark" in line]

    @property
    def text(self) -> str:
        """What the agent printed."""
        return "\n".join(line["text"] for line in self.lines if line["stream"] != "system")

    @property
    def code(self) -> str | None:
        code: str | None = self.result["code"]
        return code

    @property
    def response(self) -> Any:
        assert self.result["outcome"] == "success", self.result["error"]
        return self.result["response"]

    @property
    def message(self) -> str:
        message: str = self.result["error"]["message"]
        return message


def context(code: str, **changes: Any) -> dict[str, Any]:
    """A context that runs `code`, with the wanted changes."""
    return {
        "version": 1,
        "test_id": "tst_1",
        "attempt": 1,
        "nonce": NONCE,
        "mode": "run",
        "first_seq": 1,
        "result_fd": None,
        "files": {"agent.py": textwrap.dedent(code), "requirements.txt": "", "Dockerfile": ""},
        "entrypoint": None,
        "query": "how are you?",
        "env": {},
        "timeout_s": 20,
        "python": None,
        "env_dir": None,
        "limits": LIMITS,
        **changes,
    }


class Started:
    """A harness that is running."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process = process
        self.folder = folder

    def output(self) -> list[dict[str, Any]]:
        """The whole lines so far."""
        text = (self.folder / "output").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.split("\n")[:-1]]

    def ended(self, *, within: float = 60) -> Outcome:
        """Waits for the end and checks what must be true of every run."""
        exit_code = self.process.wait(within)
        raw = (self.folder / "output").read_text(encoding="utf-8")
        assert raw.endswith("\n") or not raw
        result = (self.folder / "result").read_text(encoding="utf-8")
        errors = (self.folder / "errors").read_text(encoding="utf-8")
        outcome = Outcome(exit_code, self.output(), json.loads(result) if result else {}, errors)
        if "nonce" in outcome.result:
            check_protocol(outcome)
        return outcome


def check_protocol(outcome: Outcome) -> None:
    """The promises that hold for each run, also of the worst agent."""
    assert outcome.errors == ""
    assert outcome.result["nonce"] == NONCE
    numbers = [line["seq"] for line in outcome.lines]
    assert numbers == [numbers[0] + index for index in range(len(numbers))]
    end = outcome.output[-1]
    assert end["mark"] == "end"
    assert outcome.marks.count("end") == 1
    assert end["lines"] == outcome.result["lines"]
    assert not numbers or end["lines"] == numbers[-1]
    assert end["code"] == outcome.result["code"]
    assert all(line["nonce"] == NONCE for line in outcome.output if "mark" in line)
    assert all(NONCE not in line["text"] for line in outcome.lines)
    assert {line["stream"] for line in outcome.lines} <= {"stdout", "stderr", "build", "system"}
    assert {line["level"] for line in outcome.lines} <= {"debug", "info", "warning", "error", "critical"}
    times = [line["ts"] for line in outcome.output]
    assert times == sorted(times)
    if outcome.result["outcome"] == "success":
        assert outcome.exit_code == 0
        assert outcome.result["error"] is None
    else:
        assert outcome.exit_code == (143 if outcome.result["code"] == "CANCELLED" else 1)
        assert outcome.result["error"]["message"]
        assert all(isinstance(value, str) for value in outcome.result["error"].values())


@contextmanager
def started(
    given: Mapping[str, Any] | bytes,
    *,
    sandbox: bool = False,
    env: Mapping[str, str] | None = None,
    before: Sequence[str] = (),
) -> Iterator[Started]:
    """A harness with this context, in a folder of its own, with an environment as empty as a sandbox has.

    `before` is put before its command line: a program that sets limits.
    """
    folder = Path(tempfile.mkdtemp(prefix="harness-"))
    folder.chmod(0o755)
    work = folder / "work"
    work.mkdir()
    if sandbox and os.geteuid() == 0:
        os.chown(work, NOBODY, NOBODY)
    shutil.copy(REST, folder)
    harness = shutil.copy(HARNESS, folder)  # the checkout may lie where others cannot read
    with (
        (folder / "result").open("wb") as result,
        (folder / "output").open("wb") as output,
        (folder / "errors").open("wb") as errors,
        (folder / "context").open("w+b") as fd0,
    ):
        raw = given if isinstance(given, bytes) else json.dumps({**given, "result_fd": result.fileno()}).encode()
        fd0.write(raw)
        fd0.seek(0)
        room = [*SANDBOX, "--bind", str(work), str(work), "--chdir", str(work)] if sandbox else []
        process = subprocess.Popen(
            [*before, *room, SYSTEM_PYTHON, "-S", "-I", harness],
            stdin=fd0,
            stdout=output,
            stderr=errors,
            cwd=work,
            env=dict(env or {}),
            pass_fds=[result.fileno()],
        )
    try:
        yield Started(process, folder)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def run(code: str, *, sandbox: bool = False, process_env: Mapping[str, str] | None = None, **changes: Any) -> Outcome:
    """Runs an agent to its end."""
    with started(context(code, **changes), sandbox=sandbox, env=process_env) as harness:
        return harness.ended()


def why_no_sandbox() -> str | None:
    """Why PID 1 cannot be tried on this machine, if so."""
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed (Debian package: bubblewrap)"
    tried = subprocess.run([*SANDBOX, "true"], capture_output=True, check=False, text=True)
    return None if tried.returncode == 0 else f"bubblewrap may not make a sandbox here: {tried.stderr.strip()}"


def interpreters() -> list[str | None]:
    """Both ways to run an agent: forked in the harness's interpreter, and started in that of an environment."""
    return [None, os.path.abspath(sys.executable)]  # noqa: PTH100 - resolving the link would leave the environment
