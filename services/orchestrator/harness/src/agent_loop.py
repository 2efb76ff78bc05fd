"""The event loop of the agent's coroutines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

END_S = 2.0  # for what still runs in it when the answer is on its way


class AgentLoop:
    """Made when it is first needed. It stays open until the answer is written, for what is in it may belong to it."""

    def __init__(self) -> None:
        self._loop: Any = None

    def make_current(self) -> None:
        """What asks for the loop of this thread gets it."""
        import asyncio

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)

    def complete(self, coroutine: Coroutine[Any, Any, object]) -> object:
        """Runs it to its end. Raises what it raises."""
        self.make_current()
        return self._loop.run_until_complete(coroutine)

    def close(self) -> None:
        """Cancels what still runs, as asyncio.run does; but what does not end then is left behind."""
        loop, self._loop = self._loop, None
        if loop is None or loop.is_closed():
            return
        import asyncio

        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            done, _ = loop.run_until_complete(asyncio.wait(tasks, timeout=END_S))
            for task in done:
                if not task.cancelled() and task.exception() is not None:
                    message = "unhandled exception in a task when the agent had answered"
                    loop.call_exception_handler({"message": message, "exception": task.exception(), "task": task})
        try:
            loop.run_until_complete(asyncio.wait_for(loop.shutdown_asyncgens(), END_S))
        except asyncio.TimeoutError:
            pass
        asyncio.set_event_loop(None)
        loop.close()
