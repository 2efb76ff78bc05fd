"""How long the objects in an answer may take to say what they are: the answer is not lost to one of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MOST_S = 30.0  # for one object to be written; a stream may take as long as there is time
CHECK_S = 0.25


class TooSlow(BaseException):
    """An object has taken too long. No Exception: code of the agent that it is raised in does not handle it."""


class TimeBudget:
    """Ends `seconds` from now; without them only each object has its limit.

    Between `watch` and `stop` what runs in the main thread is interrupted, even where it sleeps or waits: a signal that
    nothing else uses arrives, and its handler raises. The agent's own alarms stay as they are. Where that cannot be
    done (another thread, no more threads), an object takes as long as it takes, and what comes after it has less."""

    def __init__(self, seconds: float | None = None) -> None:
        self.ends = time.monotonic() + seconds if seconds is not None else float("inf")
        self._until: float | None = None  # of what is being asked now
        self._watched: Any = None  # a lock, held as long as somebody has to look at the time
        self._may_watch = False

    def left(self) -> float:
        """Seconds; not less than 0."""
        return max(0.0, self.ends - time.monotonic())

    def ask(self, call: Callable[..., Any], *args: object, most: float = MOST_S) -> Any:
        """What the call gives. Raises what it raises, and TooSlow when it takes longer than `most` seconds or than
        there are left."""
        now = time.monotonic()
        if now >= self.ends:
            raise TooSlow
        if self._may_watch and self._watched is None:
            self._begin()
        around = self._until
        self._until = min(now + most, self.ends, float("inf") if around is None else around)
        try:
            return call(*args)
        finally:
            self._until = around

    def watch(self) -> None:
        self._may_watch = True

    def stop(self) -> None:
        self._may_watch, watched, self._watched = False, self._watched, None
        if watched is not None:
            watched.release()

    def _begin(self) -> None:
        import _signal  # type: ignore[import-not-found]
        import _thread

        number, main = _signal.SIGRTMAX, _thread.get_ident()
        if getattr(_signal.getsignal(number), "__qualname__", "") not in ("", self._interrupt.__qualname__):
            self._may_watch = False
            return
        watched = _thread.allocate_lock()
        watched.acquire()
        try:
            # It stays when all is done: a signal that comes late must find it.
            _signal.signal(number, self._interrupt)
            _thread.start_new_thread(self._look_at_the_time, (watched, number, main))
        except (ValueError, RuntimeError):
            self._may_watch = False
            return
        self._watched = watched

    def _look_at_the_time(self, watched: Any, number: int, main: int) -> None:
        import _signal

        while not watched.acquire(timeout=CHECK_S):
            until = self._until
            if until is not None and time.monotonic() >= until:
                _signal.pthread_kill(main, number)

    def _interrupt(self, *_: object) -> None:
        until = self._until
        if until is not None and time.monotonic() >= until:
            raise TooSlow
