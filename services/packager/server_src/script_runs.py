"""An agent that is a script: it is run anew for each query, as in the test, and what it prints is the answer."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.printed import printed_answer
from services.orchestrator.harness.src.script import Script, script_of
from services.packager.server_src.reports import problem
from services.packager.server_src.settings import HERE, Settings

if TYPE_CHECKING:
    from typing import Any


LARGEST_VARIABLE = 128 * 1024  # what Linux takes of one


def answer_of_script(settings: Settings, query: str | None) -> dict[str, Any]:
    """Runs it to its end. Its output goes to the log, too. The query is on its standard input, a file, so that no
    script has to read it."""
    text = b"" if query is None else query.encode("utf-8", "replace")
    env = dict(os.environ)
    if query is not None and "\0" not in query and len(text) < LARGEST_VARIABLE:
        env["ASSAY_QUERY"] = query
    with tempfile.TemporaryFile() as asked:
        asked.write(text)
        asked.seek(0)
        given = "--script" if query is not None else "--script-without-query"
        process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "server.py"), given], stdin=asked, stdout=subprocess.PIPE, env=env
        )
    assert process.stdout is not None
    said = b""
    while piece := os.read(process.stdout.fileno(), 65536):
        written = 0
        while written < len(piece):
            written += os.write(1, piece[written:])
        said += piece[: max(0, 4 * settings.response_bytes - len(said))]
    code = process.wait()
    process.stdout.close()
    if code:
        how = f"exit code {code}" if code > 0 else f"signal {-code}"
        return problem("SCRIPT_FAILED", f"The script ended with {how}; the log has more.")
    return {"response": printed_answer(said.decode("utf-8", "replace"), settings.response_bytes)}


def be_the_script(settings: Settings, *, with_query: bool) -> None:
    """In a process of its own, to its end. Raises what the script raises."""
    query = sys.stdin.buffer.read().decode("utf-8", "replace") if with_query else None
    sys.stdin.seek(0)
    package = script_of(settings.entrypoint)
    assert package is not None
    code = source_of(settings.agent_path or "agent.py")
    Script(package, settings.agent_path, query).run(code, settings.agent_path)


def source_of(path: str) -> str:
    """A Python file as Python reads it."""
    import tokenize

    with tokenize.open(path) as file:
        return file.read()
