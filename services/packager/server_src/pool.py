"""All workers, and which of them answers a query."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING

from services.packager.server_src.reports import problem, say
from services.packager.server_src.settings import Settings
from services.packager.server_src.worker_process import Worker

if TYPE_CHECKING:
    from typing import Any


STATUS = {"TIMED_OUT": 504, "AGENT_EXITED": 502}  # everything else that an agent does wrong is a 500


class Pool:
    """The workers. One that is lost is replaced; `alive` says how many have the agent loaded."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.alive = 0
        self.ending = False
        self._idle: queue.LifoQueue[Worker] = queue.LifoQueue()  # the one that answered last is warm
        self._workers: set[Worker] = set()
        self._asked = 0  # queries that have no reply yet
        self._changed = threading.Condition()

    def start(self) -> None:
        """Returns when the first worker is ready. Raises RuntimeError where the agent cannot be loaded."""
        self._add()
        for _ in range(self.settings.workers - 1):
            self._replace()

    def begin(self) -> bool:
        """Before a query; False when there are no more answers. Each `begin` has its `finish`."""
        with self._changed:
            self._asked += not self.ending
            return not self.ending

    def finish(self) -> None:
        with self._changed:
            self._asked -= 1
            self._changed.notify_all()

    def drain(self, seconds: float) -> None:
        """Waits for the queries that have begun, then ends all workers."""
        with self._changed:
            self.ending = True
            if not self._changed.wait_for(lambda: self._asked == 0, seconds):
                say("WARNING", f"ending with {self._asked} queries unanswered")
            workers, self._workers = self._workers, set()
        for worker in workers:
            worker.end()

    def answer(self, query: str | None) -> tuple[int, dict[str, Any]]:
        """The status and the body of the reply."""
        until = time.monotonic() + self.settings.wait_s
        while True:
            try:
                worker = self._idle.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return 503, problem("BUSY", "All workers are busy; ask again.")
            if worker.process.poll() is None:
                break
            self._lose(worker)  # it ended while nobody asked it
        try:
            answer = worker.ask({"query": query}, self.settings.timeout_s)
        except TimeoutError:
            answer = problem("TIMED_OUT", f"The agent did not answer within {self.settings.timeout_s:g} s.")
        except EOFError:
            answer = problem("AGENT_EXITED", "The agent's process ended without an answer.")
        code = answer.get("error", {}).get("code")
        if code in STATUS:
            self._lose(worker)
        else:
            self._idle.put(worker)
        return (STATUS.get(code, 500) if code else 200), answer

    def _add(self) -> None:
        worker = Worker(self.settings)
        with self._changed:
            self._workers.add(worker)
        try:
            ready = worker.hear(self.settings.timeout_s)
        except TimeoutError:
            ready = problem("TIMED_OUT", "it was not loaded in time")
        except EOFError:
            ready = problem("AGENT_EXITED", "its process ended")
        if "error" in ready:
            self._forget(worker)
            raise RuntimeError(ready["error"]["message"])
        with self._changed:
            self.alive += 1
        self._idle.put(worker)

    def _lose(self, worker: Worker) -> None:
        with self._changed:
            self.alive -= 1
        self._forget(worker)
        self._replace()

    def _forget(self, worker: Worker) -> None:
        with self._changed:
            ours = worker in self._workers  # else `drain` has it
            self._workers.discard(worker)
        if ours:
            worker.end()

    def _replace(self) -> None:
        def bring() -> None:
            pause = 0.5
            while not self.ending:
                try:
                    self._add()
                except RuntimeError as error:
                    say("ERROR", f"a worker cannot load the agent: {error}")
                    time.sleep(pause)
                    pause = min(pause * 2, 30)
                else:
                    return

        threading.Thread(target=bring, daemon=True).start()
