"""Worker processes, seen from the server."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

from services.packager.server_src.settings import HERE, Settings

if TYPE_CHECKING:
    from typing import Any


OUTPUT_FOLDER = "/work/out"


class Worker:
    """One process with the agent loaded in it. Used by one thread at a time."""

    def __init__(self, settings: Settings) -> None:
        env = dict(os.environ)
        env.update((name, value) for name, value in settings.environment.items() if not env.get(name))
        env.pop("API_TOKEN", None)
        # As in the test: `python` and what the requirements bring along are found by their names.
        env["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), env.get("PATH", os.defpath)])
        self._folder = work_folder(settings)
        env.update(ASSAY_INPUT_DIR=f"{self._folder}/in", ASSAY_OUTPUT_DIR=f"{self._folder}/out")
        requests, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "server.py"), "--worker", str(requests), str(answers)],
            stdin=subprocess.DEVNULL,
            cwd=self._folder,
            env=env,
            pass_fds=(requests, answers),
            start_new_session=True,
        )
        os.close(requests)
        os.close(answers)

    def ask(self, message: dict[str, str | None], seconds: float) -> dict[str, Any]:
        """Its answer to a message. Raises TimeoutError, EOFError."""
        try:
            data = json.dumps(message).encode() + b"\n"
            while data:
                data = data[os.write(self._requests, data) :]
        except BrokenPipeError:
            raise EOFError from None
        return self.hear(seconds)

    def hear(self, seconds: float) -> dict[str, Any]:
        """The next message from it. Raises TimeoutError, EOFError."""
        until = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        heard = b""
        while not heard.endswith(b"\n"):
            left = until - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000 + 1):
                raise TimeoutError
            piece = os.read(self._answers, 65536)
            if not piece:
                raise EOFError
            heard += piece
        try:
            message: dict[str, Any] = json.loads(heard)
        except ValueError:  # the agent has found our pipe
            raise EOFError from None
        return message

    def end(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        os.close(self._requests)
        os.close(self._answers)
        shutil.rmtree(self._folder, ignore_errors=True)


def work_folder(settings: Settings) -> str:
    """A folder for one worker, with the agent's files in it, as in the test: an agent may write where it is."""
    folder = tempfile.mkdtemp(prefix="agent-")
    if settings.agent_path:
        shutil.copytree(os.path.join(HERE, "project"), folder, dirs_exist_ok=True)
    else:
        shutil.copy(os.path.join(HERE, "agent.py"), folder)
    inputs = os.path.join(HERE, "inputs")
    if os.path.isdir(inputs):
        os.symlink(inputs, os.path.join(folder, "in"))
    else:
        os.mkdir(os.path.join(folder, "in"))
    os.mkdir(os.path.join(folder, "out"))
    if os.path.islink(OUTPUT_FOLDER):  # of our image
        os.makedirs(os.path.realpath(OUTPUT_FOLDER), exist_ok=True)
    return folder
