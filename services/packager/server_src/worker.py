"""Inside a worker."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.answers import jsonable, unwrap
from services.orchestrator.harness.src.call import call_entry
from services.orchestrator.harness.src.entry import EntrypointNotFound, find_entry
from services.orchestrator.harness.src.jsontext import NotJson, to_json
from services.orchestrator.harness.src.naming import type_name
from services.packager.server_src.reports import problem, say
from services.packager.server_src.settings import HERE, Settings

if TYPE_CHECKING:
    from types import ModuleType


def work(settings: Settings, requests: int, answers: int) -> None:
    """Loads the agent, then answers one query after the other until the server is gone."""
    import asyncio

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (requests, answers):
        os.set_inheritable(number, False)
    owner = os.getpid()

    def reply(message: object) -> None:
        if os.getpid() == owner:  # not in a copy that the agent forked
            data = to_json(message).encode("utf-8", "replace") + b"\n"
            while data:
                data = data[os.write(answers, data) :]

    try:
        entry = find_entry(load_agent(), settings.entrypoint)
    except BaseException as error:
        if not isinstance(error, EntrypointNotFound):
            print_traceback()
        reply(problem("AGENT_IMPORT_ERROR", f"{type(error).__name__}: {error}"))
        return
    reply({"ready": True})
    loop = asyncio.new_event_loop()  # one for all queries: clients that an agent keeps stay usable
    for line in os.fdopen(requests, "rb"):
        asyncio.set_event_loop(loop)
        try:
            response = jsonable(unwrap(call_entry(entry, json.loads(line)["query"], loop.run_until_complete)), "answer")
            if len(to_json(response).encode()) > settings.response_bytes:
                raise NotJson(f"The answer has more than {settings.response_bytes} bytes as JSON.")
            reply({"response": response})
        except NotJson as error:
            say("ERROR", str(error))
            reply(problem("RESULT_INVALID", str(error)))
        except SystemExit:
            reply(problem("AGENT_EXITED", "The agent called sys.exit() instead of returning an answer."))
            raise
        except BaseException as error:
            print_traceback()
            reply(problem("AGENT_EXCEPTION", f"The agent raised {type_name(type(error))}; the log has more."))


def print_traceback() -> None:
    import traceback

    traceback.print_exc()


def load_agent() -> ModuleType:
    """Runs agent.py as the module `agent`."""
    path = os.path.join(HERE, "agent.py")
    sys.argv = [path]
    module = type(sys)("agent")
    module.__file__ = path
    sys.modules["agent"] = module
    with open(path, "rb") as file:
        exec(compile(file.read(), path, "exec", dont_inherit=True), module.__dict__)
    return module
