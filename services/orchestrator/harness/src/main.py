"""The program: a test, or the agent's process as another interpreter."""

from __future__ import annotations

import posix as os  # what is in os without what makes its import cost a millisecond
import sys
import time
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.agent_process import run_agent, start_agent
from services.orchestrator.harness.src.context import ContextUnavailable
from services.orchestrator.harness.src.environment import IN_CONTAINER
from services.orchestrator.harness.src.file_descriptors import complain, read_all
from services.orchestrator.harness.src.install import NeedsSource, wants_install
from services.orchestrator.harness.src.jsontext import from_json, quote, to_json
from services.orchestrator.harness.src.output import Output
from services.orchestrator.harness.src.run import RESULT_VERSION, Run
from services.orchestrator.harness.src.system import Signals, shield
from services.orchestrator.harness.src.transport import deliver, take_context

if TYPE_CHECKING:
    from typing import NoReturn


NOT_DELIVERED = 75  # EX_TEMPFAIL: the test is tried again (the orchestrator's diagnosis.py)
CONTAINER_WORK = "/tmp/work"  # of a container whose root file system is read-only


def go_to_a_work_folder() -> None:
    """Where the root file system is read-only, what is writable is /tmp."""
    try:
        if not os.access(CONTAINER_WORK, os.W_OK):
            os.mkdir(CONTAINER_WORK, 0o700)
        os.chdir(CONTAINER_WORK)
    except OSError as error:
        raise ContextUnavailable(f"there is no folder to work in: {error}") from None


def run_test(output: Output, signals: Signals) -> int:
    """The exit code: 0 for success, 1 for an error with a result, 143 when it was cancelled, or NOT_DELIVERED."""
    # In a container our memory holds a credential from the start: no agent by fork.
    child = None if IN_CONTAINER else start_agent()
    context = take_context()
    if context.result_fd is not None:
        os.set_inheritable(context.result_fd, False)
    if IN_CONTAINER and not os.access(".", os.W_OK):
        go_to_a_work_folder()
    run = Run(context, output, signals)
    started = time.monotonic()
    result: dict[str, object] | None = run.lacking()
    python = context.python or (sys.executable if IN_CONTAINER else None)
    installs = context.mode == "build" or (context.mode == "all" and wants_install(context.requirements))
    if installs and result is None:
        if child is not None:
            os.close(child.instructions)
            child = None
        report: dict[str, object] = {"ok": True}
        try:
            result = run.install()
        except NeedsSource:  # somebody else goes on where we stop: no end mark
            report = {"ok": False, "needs_source": True}
        python = f"{context.env_dir}/bin/python"
        if context.mode == "build" and result is None:
            output.flush()
            report.update(lines=output.seq, duration_ms=(time.monotonic() - started) * 1000)
            return 0 if deliver(report, context.result_fd) else NOT_DELIVERED
    if result is None:
        result = run.agent(child or start_agent(), python)
    left = run.left_behind(result)
    output.flush()
    delivered = deliver(result, context.result_fd, left)
    output.mark(
        "end", f',"lines":{output.seq},"outcome":{quote(str(result["outcome"]))},"code":{to_json(result["code"])}'
    )
    output.flush()
    if result["code"] == "CANCELLED":
        return 143
    if not delivered:
        return NOT_DELIVERED
    return 0 if result["outcome"] == "success" else 1


def main() -> NoReturn:
    if sys.argv[1:2] == ["--agent"]:
        memory, faults, answer = map(int, sys.argv[2:5])
        for fd in (faults, answer):
            os.set_inheritable(fd, False)
        job = from_json(read_all(memory).decode("utf-8"))
        os.close(memory)
        run_agent(job, faults, answer)
    output = Output(1)
    code = 1
    try:
        code = run_test(output, shield())
    except ContextUnavailable as error:
        complain(str(error))
        failed = {"type": "", "message": str(error), "traceback": ""}
        said: dict[str, object] = {"version": RESULT_VERSION, "outcome": "error", "code": "CONTEXT_UNAVAILABLE"}
        if not deliver({**said, "error": failed}, None) or not IN_CONTAINER:
            code = NOT_DELIVERED
    except BaseException as error:  # a bug of ours: say all there is
        import traceback

        complain("".join(traceback.format_exception(type(error), error, error.__traceback__)))
    os._exit(code)


if __name__ == "__main__":
    main()
