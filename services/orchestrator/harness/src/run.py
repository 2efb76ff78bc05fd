"""One test, from its context to its result."""

from __future__ import annotations

import posix as os  # what is in os without what makes its import cost a millisecond
import sys
import time

from services.orchestrator.harness.src.answers import Answering
from services.orchestrator.harness.src.children import Child
from services.orchestrator.harness.src.context import Context, ContextUnavailable
from services.orchestrator.harness.src.environment import ENVIRONMENT, IN_CONTAINER, OF_THE_TASK, REGION
from services.orchestrator.harness.src.file_descriptors import write_all
from services.orchestrator.harness.src.files import Left, folders_of_the_agent, is_out_empty, lay_out
from services.orchestrator.harness.src.frames import new_token
from services.orchestrator.harness.src.install import Installer, InstallFailed, Stopped, built_in, installed_in
from services.orchestrator.harness.src.jsontext import NotJson, from_json, to_json
from services.orchestrator.harness.src.memory import out_of_memory_kills
from services.orchestrator.harness.src.output import Output
from services.orchestrator.harness.src.particulars import MAX_HINT, conversions_in, entry_in, text_in
from services.orchestrator.harness.src.plain_answers import NotPlain, plain_copy
from services.orchestrator.harness.src.printed import printed_answer
from services.orchestrator.harness.src.reply import MAX_MESSAGE, MAX_TRACEBACK
from services.orchestrator.harness.src.script import script_of
from services.orchestrator.harness.src.streams import Answer, Channel, Collector, Faults
from services.orchestrator.harness.src.system import Signals
from services.orchestrator.harness.src.system_packages import missing_packages
from services.orchestrator.harness.src.usage import tokens_of
from services.orchestrator.harness.src.watch import Watch, how_it_ended

RESULT_VERSION = 1
ENVELOPE_BYTES = 256 * 1024  # beside the response in what an agent process hands over: error, usage
ENVELOPE_OF_LINE = 160  # bytes at most that a line has beside its text: names, a 10-digit seq, a time, `cont`, newline
AGENT_CODES = (
    "DEPENDENCY_INSTALL_FAILED",
    "AGENT_IMPORT_ERROR",
    "ENTRYPOINT_NOT_FOUND",
    "ENTRYPOINT_AMBIGUOUS",
    "QUERY_NOT_ACCEPTED",
    "AGENT_EXCEPTION",
    "AGENT_EXITED",
    "RESULT_TOO_LARGE",
    "RESULT_INVALID",
)
INSTALL_TOOK_LONG = (
    "Pin the versions, so that the installer does not have to search, and take those with wheels, which are not built. "
    "How long it may take is for the operator to say (ASSAY_PROCESS_BUILD_TIMEOUT_S); in a container the test's limit "
    "counts."
)
OUT_OF_MEMORY_SAID = "The kernel ended a process of the agent: the memory of its container was used up."


class Run:
    """One context from its reading to its result."""

    def __init__(self, context: Context, output: Output, signals: Signals) -> None:
        self.context = context
        self.output = output
        self.signals = signals
        self.build_ms: float | None = None
        self.watch: Watch | None = None
        self.resolved: list[str] = []
        self.built: list[str] = []
        self.entry: dict[str, object] | None = None  # what was called
        self.conversions: list[dict[str, str]] = []
        self.printed: Collector | None = None  # of a script, whose answer that is
        self.kills = out_of_memory_kills() if IN_CONTAINER else 0
        output.nonce = context.nonce
        output.seq = context.first_seq - 1
        output.last_allowed = output.seq + context.max_lines
        output.room = context.max_bytes
        output.line_bytes = context.line_bytes
        if context.encoded_line_bytes:
            output.encoded_bytes = max(64, context.encoded_line_bytes - ENVELOPE_OF_LINE)
            output.partial_room //= 2  # it goes through the platform's logs, which cost by the byte
            output.line_bytes = min(context.line_bytes, output.encoded_bytes)

    def lacking(self) -> dict[str, object] | None:
        """None, or the result of a test that ends here because its container lacks what it needs. On a machine of ours
        the runtime has looked."""
        named = self.context.system_packages if IN_CONTAINER else []
        missing = missing_packages(named) if named else []
        if not missing:
            return None
        several = "s" if len(missing) > 1 else ""
        return self.failure(
            "SYSTEM_PACKAGE_MISSING",
            f"The image that runs the tests lacks the Debian package{several} {', '.join(missing)}. "
            f"Its operator can add them to it: apt-get install {' '.join(missing)}",
        )

    def install(self) -> dict[str, object] | None:
        """None, or the result of a test that ends here. Raises NeedsSource."""
        if self.context.from_source != "at_once":  # else somebody has begun before us
            self.output.mark("building")
        self.output.flush()
        started = time.monotonic()
        failed: tuple[str, str, str] | None = None
        try:
            Installer(self.context, self.output, self.signals).install()
        except InstallFailed as error:
            failed = ("DEPENDENCY_INSTALL_FAILED", str(error)[:MAX_MESSAGE], error.hint)
            if self._memory_ran_out():
                failed = ("OUT_OF_MEMORY", "Installing the requirements took more memory than the container has.", "")
        except OSError as error:
            failed = ("DEPENDENCY_INSTALL_FAILED", f"The environment cannot be written: {error}", "")
        except Stopped as stop:
            failed = ("CANCELLED", "Stopped while the requirements were installed.", "")
            if str(stop) == "TIMED_OUT":
                said = f"The requirements were not installed within {self.context.timeout_s:g} s."
                failed = ("TIMED_OUT", said, INSTALL_TOOK_LONG)
        self.build_ms = (time.monotonic() - started) * 1000
        if failed is None:
            return None
        code, message, hint = failed
        return self.failure(code, message, hint=hint)

    def agent(self, child: Child, python: str | None) -> dict[str, object]:
        context, output = self.context, self.output
        if python == f"{context.env_dir}/bin/python":
            self.resolved = installed_in(context.env_dir)  # now: an agent may be able to write there
            self.built = built_in(context.env_dir, self.resolved)
        try:
            lay_out(context)
        except ContextUnavailable as error:
            return self.failure("CONTEXT_UNAVAILABLE", str(error))
        if not context.project_files:
            for name, text in context.files.items():
                if name not in ("requirements.txt", "Dockerfile") and "/" not in name:
                    self._write(name, text)
        output.mark("running")
        output.flush()
        token = new_token()
        job = {
            "token": token.hex(),
            "code": context.code,
            "entrypoint": context.entrypoint,
            "query": context.query,
            "agent_path": context.agent_path,
            "test_id": context.test_id,
            "timeout_s": context.timeout_s,
            "memory_mib": context.memory_mib,
            "max_processes": context.max_processes,
            "env": {**context.env, **self._given_by_the_platform(), **folders_of_the_agent()},
            "python": python,
            "response_bytes": context.response_bytes,
            "strict_answer": context.strict_answer,
        }
        try:
            instructions = to_json(job).encode("utf-8")
        except UnicodeEncodeError:
            return self.failure("CONTEXT_UNAVAILABLE", "The context holds half a surrogate pair: not Unicode text.")
        out, faults, back = child.readers
        answer = Answer(back, context.response_bytes + ENVELOPE_BYTES)
        if script_of(context.entrypoint) is not None:
            self.printed = Collector(context.response_bytes)
        readers = (
            Channel(out, token, output, self.printed),
            Faults(faults, "stderr", output, "error"),
            answer,
        )
        self.watch = Watch(child, readers, context.timeout_s, output, self.signals)
        try:
            write_all(child.instructions, instructions)
            os.close(child.instructions)
        except BrokenPipeError:
            pass  # it is dead already; that is told below
        self.watch.follow()
        output.mark("finished")
        self.entry = entry_in(answer.announced)
        return self._verdict(self.watch, answer)

    def left_behind(self, result: dict[str, object]) -> Left | None:
        """What the agent has left in its output folder, named in the result. However its test ended, it has run."""
        limits = self.context.outputs
        if self.watch is None or limits is None:
            return None
        if is_out_empty():
            result["outputs"], result["outputs_left_out"] = [], []
            return None
        left = Left(limits["max_files"], limits["max_bytes"])
        left.find()
        result["outputs"], result["outputs_left_out"] = left.files, left.left_out
        return left

    def _given_by_the_platform(self) -> dict[str, str]:
        """What a container platform has put into our environment for the agent: its role, and its secrets by name."""
        if not IN_CONTAINER:
            return {}
        names = [name for name in self.context.secret_names if not name.startswith("ASSAY_")]
        for name in names:
            if name not in ENVIRONMENT:
                self.output.say(f"The secret {name} is not in the environment of the container.", "warning")
        # A test that names a region has its own, whichever of the two its libraries read.
        region = () if any(name in self.context.env for name in REGION) else REGION
        return {name: ENVIRONMENT[name] for name in (*OF_THE_TASK, *region, *names) if name in ENVIRONMENT}

    def _memory_ran_out(self) -> bool:
        """Whether the kernel has ended a process of this container because its memory was used up."""
        return IN_CONTAINER and out_of_memory_kills() > self.kills

    def _write(self, name: str, text: str) -> None:
        """For tracebacks and children of the agent. It runs from memory itself, so a full disk is not the end."""
        try:
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            write_all(fd, text.encode("utf-8", "replace"))
            os.close(fd)
        except OSError as error:
            self.output.say(f"{name} cannot be written to the work folder: {error}", "warning")

    def _verdict(self, watch: Watch, answer: Answer) -> dict[str, object]:
        if watch.stopped == "TIMED_OUT":
            return self.failure("TIMED_OUT", f"The agent did not answer within {self.context.timeout_s:g} s.")
        if watch.stopped == "CANCELLED":
            return self.failure("CANCELLED", "The test was cancelled while the agent was running.")
        if answer.too_large:
            return self.failure("RESULT_TOO_LARGE", "The agent's process sent more than an answer may have.")
        if not answer.complete:
            if self._memory_ran_out():
                return self.failure("OUT_OF_MEMORY", OUT_OF_MEMORY_SAID)
            return self.failure("AGENT_EXITED", f"The agent's process ended without an answer: {how_it_ended(watch)}.")
        try:
            reply = from_json(answer.data.partition(b"\n")[0].decode("utf-8"))
            self.conversions = conversions_in(reply)
            if "code" in reply:
                error = reply["error"]
                kind, said, trace = (str(error[name] or "") for name in ("type", "message", "traceback"))
                code = reply["code"] if reply["code"] in AGENT_CODES else "AGENT_EXITED"
                if code in ("AGENT_EXITED", "AGENT_EXCEPTION") and self._memory_ran_out():  # a process that it needed
                    return self.failure("OUT_OF_MEMORY", OUT_OF_MEMORY_SAID, kind[:200], trace[:MAX_TRACEBACK])
                hint = text_in(error.get("hint"), MAX_HINT)
                return self.failure(
                    code, (said or "(no message)")[:MAX_MESSAGE], kind[:200], trace[:MAX_TRACEBACK], hint
                )
            if self.printed is not None and reply.get("printed") is True:
                text, limit = self.printed.text(), self.context.response_bytes
                response = printed_answer(text, limit, self.printed.size)
                is_cut = self.printed.too_large or (isinstance(response, str) and response != text.rstrip("\r\n"))
                if self.context.strict_answer and is_cut:
                    said = f"The agent printed {self.printed.size:,} bytes; an answer may have {limit:,} as JSON."
                    return self.failure("RESULT_TOO_LARGE", said)
                printed = Answering(strict=self.context.strict_answer)
                response = printed.json(response, limit)
                self.conversions = printed.notes()
            else:
                response = self._plain(reply["response"])
            if len(to_json(response).encode("utf-8")) > self.context.response_bytes:
                return self.failure("RESULT_TOO_LARGE", "The answer is too large.")
            return self._result("success", None, response, None, tokens_of(reply["usage"]))
        except (ValueError, LookupError, TypeError, RecursionError, NotJson) as error:  # the agent wrote on our pipe
            return self.failure("RESULT_INVALID", f"What the agent's process sent is not an answer: {error}")

    def _plain(self, response: object) -> object:
        try:
            return plain_copy(response, self.context.response_bytes)
        except NotPlain:
            return Answering(strict=True).plain(response)

    def failure(self, code: str, message: str, kind: str = "", trace: str = "", hint: str = "") -> dict[str, object]:
        error = {"type": kind, "message": message, "traceback": trace, "hint": hint}
        return self._result("error", code, None, error, None)

    def _result(
        self, outcome: str, code: str | None, response: object, error: object, usage: object
    ) -> dict[str, object]:
        watch = self.watch
        return {
            "version": RESULT_VERSION,
            "test_id": self.context.test_id,
            "attempt": self.context.attempt,
            "nonce": self.context.nonce,
            "outcome": outcome,
            "code": code,
            "response": response,
            "error": error,
            "entry": self.entry,
            "conversions": self.conversions,
            "phases": {"build_ms": self.build_ms, "run_ms": watch.seconds * 1000 if watch else None},
            "cpu_s": watch.cpu_s if watch else 0.0,
            "peak_memory_bytes": watch.peak_bytes if watch else 0,
            "usage": usage,
            "lines": self.output.seq,
            "truncated": self.output.truncated,
            "exit_code": watch.exit_code if watch else None,
            "signal": watch.signal if watch else None,
            "resolved": self.resolved,
            "built_from_source": self.built,
            "python": ".".join(map(str, sys.version_info[:3])),
        }
