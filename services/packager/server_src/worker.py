"""Inside a worker."""

from __future__ import annotations

import json
import os
import signal
import time

from services.orchestrator.harness.src.agent_loop import AgentLoop
from services.orchestrator.harness.src.answers import Answering
from services.orchestrator.harness.src.call import call_entry
from services.orchestrator.harness.src.entry import EntrypointAmbiguous, EntrypointNotFound, find_entry
from services.orchestrator.harness.src.jsontext import to_json
from services.orchestrator.harness.src.load import load_agent
from services.orchestrator.harness.src.naming import type_name
from services.orchestrator.harness.src.plan import QueryNotAccepted
from services.orchestrator.harness.src.script import script_of
from services.packager.server_src.reports import problem, say
from services.packager.server_src.script_runs import answer_of_script, source_of
from services.packager.server_src.settings import Settings


def work(settings: Settings, requests: int, answers: int) -> None:
    """Loads the agent, then answers one query after the other until the server is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (requests, answers):
        os.set_inheritable(number, False)
    owner = os.getpid()

    def reply(message: object) -> None:
        if os.getpid() == owner:  # not in a copy that the agent forked
            data = to_json(message).encode("utf-8", "replace") + b"\n"
            while data:
                data = data[os.write(answers, data) :]

    if script_of(settings.entrypoint) is not None:
        reply({"ready": True})
        for line in os.fdopen(requests, "rb"):
            reply(answer_of_script(settings, json.loads(line)["query"]))
        return
    try:
        source = source_of(settings.agent_path or "agent.py")
        entry = find_entry(load_agent(source, settings.agent_path), settings.entrypoint, source)
    except BaseException as error:
        if not isinstance(error, (EntrypointAmbiguous, EntrypointNotFound)):
            print_traceback()
        reply(problem("AGENT_IMPORT_ERROR", f"{type(error).__name__}: {error}"))
        return
    reply({"ready": True})
    loop = AgentLoop()  # one for all queries: clients that an agent keeps stay usable
    for line in os.fdopen(requests, "rb"):
        loop.make_current()
        ends = time.monotonic() + settings.timeout_s * 0.9  # for the answer to be written
        try:
            plan = entry.bind(json.loads(line)["query"])
            value = call_entry(plan, loop)
            answering = Answering(loop=loop, seconds=max(0.0, ends - time.monotonic()))
            reply({"response": answering.json(value, settings.response_bytes)})
            for note in answering.notes():
                if "cut" in note["how"]:  # of the rest its user knows from the test
                    say("WARNING", f"{note['path']} is {note['how']}")
        except QueryNotAccepted as error:
            say("ERROR", str(error))
            reply(problem("QUERY_NOT_ACCEPTED", str(error)))
        except SystemExit:
            reply(problem("AGENT_EXITED", "The agent called sys.exit() instead of returning an answer."))
            raise
        except BaseException as error:
            print_traceback()
            reply(problem("AGENT_EXCEPTION", f"The agent raised {type_name(type(error))}; the log has more."))


def print_traceback() -> None:
    import traceback

    traceback.print_exc()
