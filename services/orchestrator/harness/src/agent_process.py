"""The agent's process, from its fork to its end."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import posix as os  # what is in os without what makes its import cost a millisecond
import sys
import time
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.agent_loop import AgentLoop
from services.orchestrator.harness.src.agent_streams import renew_streams
from services.orchestrator.harness.src.call import call_entry
from services.orchestrator.harness.src.children import Child, fork_with, settle
from services.orchestrator.harness.src.entry import EntrypointAmbiguous, EntrypointNotFound, find_entry
from services.orchestrator.harness.src.environment import change_environment, environment_of_children
from services.orchestrator.harness.src.file_descriptors import complain, read_all, write_all
from services.orchestrator.harness.src.hints import hint_for
from services.orchestrator.harness.src.jsontext import from_json
from services.orchestrator.harness.src.load import load_agent
from services.orchestrator.harness.src.offered import offer
from services.orchestrator.harness.src.plan import QueryNotAccepted
from services.orchestrator.harness.src.reply import Reply
from services.orchestrator.harness.src.script import Script, script_of
from services.orchestrator.harness.src.system import PR_SET_DUMPABLE, libc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn


SCRIPT_EXIT = (
    "A script gets the query as its only argument, on its standard input and in ASSAY_QUERY. If it wants an option, "
    "such as --query, read one of these instead, or give the file a function run(query)."
)

NO_COMMAND_LINE = "If the file reads its command line, run it as a script (-e __main__): the query is its argument."


def start_agent() -> Child:
    """Forks the process that will be the agent. It waits for instructions; if none come, it is not needed.

    Its pipes: what it writes, what Python says of it when it dies, and its answer."""
    return fork_with(3, _await_instructions)


def _await_instructions(outputs: Sequence[int], instructions: int) -> None:
    out, faults, answer = outputs
    settle(out, out, (faults, answer, instructions))
    raw = read_all(instructions)
    os.close(instructions)
    if not raw:
        os._exit(0)
    job = from_json(raw.decode("utf-8"))
    if job["python"] is not None:
        _exec_agent(job["python"], raw, faults, answer)
    change_environment({**environment_of_children(), **job["env"]})
    run_agent(job, faults, answer)


def _exec_agent(python: str, raw: bytes, faults: int, answer: int) -> NoReturn:
    """Goes on as the interpreter of an installed environment. The instructions go along in memory, not in a file."""
    job = from_json(raw.decode("utf-8"))
    env = environment_of_children()
    if not python.startswith("/usr/"):
        env["VIRTUAL_ENV"] = python.rpartition("/bin/")[0]
        env["PATH"] = f"{env['VIRTUAL_ENV']}/bin:{env['PATH']}"
    env.update(job["env"])
    memory = os.memfd_create("instructions", 0)
    write_all(memory, raw)
    os.lseek(memory, 0, 0)
    for fd in (faults, answer):
        os.set_inheritable(fd, True)
    from os.path import realpath

    this = __file__
    if this.endswith("c") and realpath(python) != realpath(sys.executable):
        this = this[:-1]  # compiled for one version of Python
    try:
        os.execve(python, [python, this, "--agent", *map(str, (memory, faults, answer))], env)
    except OSError as error:
        Reply(answer).fail("DEPENDENCY_INSTALL_FAILED", f"The environment of this test cannot be started: {error}")
        os._exit(1)


def run_agent(job: Mapping[str, Any], faults: int, answer: int) -> NoReturn:
    """The life of the agent's process: load, call, answer, end as interpreters do (threads, exit handlers, buffers)."""
    import faulthandler

    libc("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)
    try:
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(fd, b"1000")  # when memory runs out, the agent goes and not the harness
        os.close(fd)
    except OSError:
        pass
    faulthandler.enable(faults)
    faulthandler.register(
        _signal.SIGTERM, faults, chain=True
    )  # an agent that is stopped leaves in its log where it was
    renew_streams(bytes.fromhex(job["token"]))
    _leave(_load_and_call(job, Reply(answer)))


def _load_and_call(job: Mapping[str, Any], reply: Reply) -> int:
    code = "AGENT_IMPORT_ERROR"
    package: str | None = None
    ends = time.monotonic() + time_for_the_answer(job["timeout_s"])
    loop = AgentLoop()
    try:
        package = script_of(job["entrypoint"])
        if package is not None:
            code = "AGENT_EXCEPTION"
            _run_script(Script(package, job["agent_path"], job["query"]), job, reply)
            return 0
        module = load_agent(job["code"], job["agent_path"])
        query = job["query"]
        entry = find_entry(module, job["entrypoint"], job["code"], without_query=query is None)
        code = "AGENT_EXCEPTION"
        try:
            plan = entry.bind(query, test_id=job["test_id"], timeout_s=job["timeout_s"], memory_mib=job["memory_mib"])
        finally:
            reply.announce(entry.report())
        value = call_entry(plan, loop)
        seconds = max(0.0, ends - time.monotonic())
        reply.answer(value, module, job["response_bytes"], strict=job["strict_answer"], loop=loop, seconds=seconds)
    except EntrypointNotFound as error:
        reply.fail("ENTRYPOINT_NOT_FOUND", str(error))
    except EntrypointAmbiguous as error:
        reply.fail("ENTRYPOINT_AMBIGUOUS", str(error))
    except QueryNotAccepted as error:
        reply.fail("QUERY_NOT_ACCEPTED", str(error), hint=error.hint)
    except SystemExit as error:
        status = exit_status(error)
        said = f": {error.code}" if isinstance(error.code, str) else ""
        message = f"The agent called sys.exit({status}) instead of returning an answer{said}"
        if package is not None:
            message = f"The script ended with sys.exit({status}){said}"
        reply.fail("AGENT_EXITED", message, error, _hint_for_exit(status, package, code))
        return status
    except BaseException as error:  # whatever an agent may raise is a fact to report
        if not reply.is_ours():
            import traceback

            traceback.print_exc()
        if package is not None and isinstance(error, SyntaxError):
            code = "AGENT_IMPORT_ERROR"
        reply.fail(code, None, error, _hint(error, job))
    else:
        return 0
    finally:
        loop.close()
    return 1


def time_for_the_answer(timeout_s: float) -> float:
    """Seconds: so much before the time limit an answer is cut that is not yet written, for it to arrive in time."""
    return max(timeout_s / 2, timeout_s - min(10.0, max(2.0, timeout_s / 20)))


def _hint(error: BaseException, job: Mapping[str, Any]) -> str:
    try:
        return hint_for(error, project=bool(job["agent_path"]), max_processes=job["max_processes"])
    except Exception:  # whatever state the agent has left its process in: what it raised is worth more than a hint
        return ""


def _hint_for_exit(status: int, package: str | None, code: str) -> str:
    """For 2, which is what argparse and click end with when the command line is not what they want."""
    if status != 2:
        return ""
    return SCRIPT_EXIT if package is not None else NO_COMMAND_LINE if code == "AGENT_IMPORT_ERROR" else ""


def _run_script(script: Script, job: Mapping[str, Any], reply: Reply) -> None:
    """To its end, which for a script may be sys.exit(0). Raises what it raises."""
    try:
        script.must_be_asked(job["code"], job["agent_path"])
    finally:
        reply.announce(script.report())
    if script.query is not None:
        offer(script.query)
    try:
        script.run(job["code"], job["agent_path"])
    except SystemExit as end:
        if exit_status(end):
            raise
    reply.printed()


def exit_status(error: SystemExit) -> int:
    """What sys.exit makes of its argument: nothing is 0, a text is 1."""
    return error.code & 255 if isinstance(error.code, int) else int(error.code is not None)


def _leave(code: int) -> NoReturn:
    try:
        threading = sys.modules.get("threading")
        if threading is not None:
            threading._shutdown()
        import atexit

        atexit._run_exitfuncs()
    except BaseException as error:
        say_last(f"while ending: {type(error).__name__}: {error}")
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # closed or replaced by the agent
            pass
    os._exit(code)


def say_last(text: str) -> None:
    """To the log of the agent, whatever it did to its streams."""
    try:
        print(f"assay harness: {text}", file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):
        complain(text)
