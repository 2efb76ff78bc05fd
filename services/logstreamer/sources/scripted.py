"""Output of scripted tasks, computed from the script in the log source: for tests of everything around the tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from pydantic import JsonValue

from services.logstreamer.ports import Batch, Cursor
from shared.clock import Clock
from shared.domain.script import Play

LOOK_S: Final = 0.02


class ScriptedSource:
    """All scripts that are followed."""

    def __init__(self, clock: Clock, *, drain_s: float) -> None:
        self._clock = clock
        self._drain_s = drain_s

    def reads(self, log_source: Mapping[str, JsonValue]) -> bool:
        """Any: it carries its output with it."""
        return True

    def follow(self, log_source: Mapping[str, JsonValue], cursor: Cursor, *, since: datetime) -> ScriptedFeed:
        """The output of the play that the log source carries, from the line `line` of the cursor on."""
        line = cursor.get("line", 0)
        assert isinstance(line, int)
        return ScriptedFeed(Play.model_validate(log_source), line, self._clock, self._drain_s)


class ScriptedFeed:
    """One play. That somebody stopped it early is not in the script: its log ends without an end mark then."""

    def __init__(self, play: Play, line: int, clock: Clock, drain_s: float) -> None:
        self._play = play
        self._line = line
        self._clock = clock
        self._drain_s = drain_s

    async def read(self, *, wait_s: float) -> Batch:
        """The lines that are new by now."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while True:
            new = list(self._play.output(self._clock.now().timestamp()))[self._line :]
            left = deadline - loop.time()
            if new or left <= 0:
                self._line += len(new)
                return Batch(new, {"line": self._line})
            await asyncio.sleep(min(left, LOOK_S))

    def reread(self, cursor: Cursor) -> None:
        """Nothing comes late."""

    def gives_up(self, stopped_for_s: float) -> bool:
        """After the drain time."""
        return stopped_for_s >= self._drain_s

    def close(self) -> None:
        """Holds nothing."""
