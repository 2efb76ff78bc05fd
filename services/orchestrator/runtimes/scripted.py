"""The scripted runtime: tasks that exist only as a script and a starting time, for tests of everything around
them.

Stateless but for one thing: a handle carries the whole script, so what a task does at any time is computed
and not remembered; that somebody stopped it is remembered in this process only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from pydantic import ValidationError

from services.orchestrator.ports import Alive, Handle, Launched, LaunchFailed, Phase, Sighting, TaskSpec
from shared.clock import Clock
from shared.domain.failure import FailureCode
from shared.domain.script import Play, Script

SCRIPT_VARIABLE = "ASSAY_SCRIPT"


class ScriptedRuntime:
    """Plays scripts. The default script runs for a tenth of a second, prints a line and answers."""

    name = "scripted"
    tidy_s = 600.0
    gives_secrets = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._plays: dict[str, Play] = {}
        self._stopped: dict[str, float] = {}
        self._cleaned: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._changed: list[Callable[[Handle], None]] = []

    async def launch(self, spec: TaskSpec) -> Launched:
        """Starts to play the script in the test's environment."""
        play = self._plays.get(spec.launch_token)
        if play is None:
            play = self._play(spec)
            if play.script.start_error:
                raise LaunchFailed(play.script.start_error, "the script says so")
            self._plays[spec.launch_token] = play
        self._announce(play, play.ends)
        return Launched(_handle(play), {"kind": "scripted", **_handle(play)})

    async def inspect(self, handles: Sequence[Handle]) -> Sequence[Sighting]:
        """Where each script is by now."""
        return [self._look(Play.model_validate(handle)) for handle in handles]

    async def collect(self, handle: Handle) -> bytes | None:
        """The result that the script hands in at its end."""
        play = Play.model_validate(handle)
        end = self._end(play)
        if self._now() < end or play.token in self._cleaned:
            return None
        if end < play.runs or (play.token in self._stopped and play.script.ignores_stop):
            return None
        return play.result(end, stopped=end < play.ends)

    async def collect_outputs(self, handle: Handle) -> bytes | None:
        """The files that the script leaves."""
        play = Play.model_validate(handle)
        return None if play.token in self._cleaned else play.outputs().data

    async def stop(self, handle: Handle, *, grace_s: float) -> None:
        """Ends the play now, or after the grace time when the script ignores being asked."""
        play = Play.model_validate(handle)
        end = self._now() + (grace_s if play.script.ignores_stop else 0.0)
        self._stopped[play.token] = min(end, self._stopped.get(play.token, end))
        self._announce(play, self._stopped[play.token])

    async def cleanup(self, handle: Handle) -> None:
        """Forgets the task: it is missing from now on."""
        token = str(handle["token"])
        self._cleaned.add(token)
        self._plays.pop(token, None)
        if timer := self._timers.pop(token, None):
            timer.cancel()

    def watch(self, changed: Callable[[Handle], None]) -> None:
        """`changed` is called when a script ends."""
        self._changed.append(changed)

    def handle_of(self, spec: TaskSpec) -> Handle:
        """That of the play which began with this token, or of one that would begin now."""
        return _handle(self._plays.get(spec.launch_token) or self._play(spec))

    def ends_soon(self, handle: Handle) -> None:
        """The script knows better."""

    async def tidy(self, alive: Alive) -> None:
        """Nothing is left behind."""

    async def aclose(self) -> None:
        """Announces nothing more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _play(self, spec: TaskSpec) -> Play:
        return Play(
            token=spec.launch_token,
            test_id=spec.test_id,
            attempt=spec.attempt,
            nonce=spec.nonce,
            launched=self._now(),
            timeout_s=spec.timeout_s,
            script=_script(spec),
        )

    def _look(self, play: Play) -> Sighting:
        script, now, end = play.script, self._now(), self._end(play)
        if play.token in self._cleaned:
            return Sighting(Phase.MISSING)
        if now >= end and script.lost and end == play.ends:
            return Sighting(Phase.MISSING)
        if now < end:
            self._announce(play, end)
            return Sighting(Phase.PENDING if now < play.starts else Phase.RUNNING)
        if end < play.ends:
            killed = script.ignores_stop
            return Sighting(Phase.STOPPED, 137 if killed else 143, stop_code="Stopped", stop_reason="stopped")
        failed = play.times_out or script.code is not None
        exit_code = script.exit_code or (137 if script.out_of_memory else 1 if failed else 0)
        reason = script.stop_reason or f"exit code {exit_code}"
        return Sighting(Phase.STOPPED, exit_code, script.stop_code, reason, out_of_memory=script.out_of_memory)

    def _end(self, play: Play) -> float:
        return min(play.ends, self._stopped.get(play.token, play.ends))

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _announce(self, play: Play, end: float) -> None:
        """Calls `changed` at the end of the play, if the loop's time and the clock's agree: it is only a hint."""
        if timer := self._timers.pop(play.token, None):
            timer.cancel()
        if end != float("inf"):
            loop = asyncio.get_running_loop()
            # The clock counts whole milliseconds: a little later, so that the look finds the end.
            self._timers[play.token] = loop.call_later(max(0.0, end - self._now()) + 0.002, self._tell, play)

    def _tell(self, play: Play) -> None:
        self._timers.pop(play.token, None)
        for changed in self._changed:
            changed(_handle(play))


def _script(spec: TaskSpec) -> Script:
    text = (spec.env or {}).get(SCRIPT_VARIABLE, "{}")
    try:
        return Script.model_validate_json(text)
    except ValidationError as error:
        message = f"{SCRIPT_VARIABLE}: {error.errors()[0]['loc']} {error.errors()[0]['msg']}"
        raise LaunchFailed(FailureCode.INTERNAL, message) from error


def _handle(play: Play) -> Handle:
    values: Handle = {"runtime": ScriptedRuntime.name, **play.model_dump(mode="json", exclude_defaults=True)}
    return values
