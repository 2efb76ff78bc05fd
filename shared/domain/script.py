"""What a scripted task does and when: pure functions from its script and the time.

The orchestrator's scripted runtime plays it, and the log streamer computes the lines that are there by now from the
script in the log source: neither knows the other. Knows the output protocol of the harness, no runtime and no clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from shared.domain.failure import FailureCode
from shared.domain.files import Joined, join
from shared.domain.logsequence import first_seq


class Script(BaseModel):
    """The behaviour of one task, as JSON in the variable ASSAY_SCRIPT of the test. Times are in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start_error: FailureCode | None = Field(None, description="the launch fails with this code")
    never_starts: bool = Field(False, description="stays pending for ever")
    starts_after: float = Field(0.0, ge=0, description="pending for so long")
    build_for: float = Field(0.0, ge=0, description="time from the mark `building` to the mark `running`")
    run_for: float = Field(0.1, ge=0, description="time from the mark `running` to the end")
    lines: int | tuple[str, ...] = Field(1, description="what it prints, spread over the run: so many lines, or these")
    exit_code: int = 0
    result: JsonValue = Field("done", description="the answer")
    outputs: dict[str, str] = Field(default_factory=dict, description="files that it leaves, path to text")
    code: FailureCode | None = Field(None, description="the failure that the harness reports")
    no_result: bool = Field(False, description="ends without handing in a result")
    lost: bool = Field(False, description="is missing from the end of its run on")
    out_of_memory: bool = False
    stop_code: str = "Exited"
    stop_reason: str | None = None
    ignores_stop: bool = Field(False, description="only the end of the grace time ends it")


class Play(BaseModel):
    """One performance of a script: what a handle and a log source of the scripted runtime carry."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    token: str
    test_id: str
    attempt: int
    nonce: str
    launched: float
    """seconds since the epoch"""
    timeout_s: float
    script: Script

    @property
    def starts(self) -> float:
        """When it is no longer pending."""
        return float("inf") if self.script.never_starts else self.launched + self.script.starts_after

    @property
    def runs(self) -> float:
        """When the agent starts."""
        return self.starts + self.script.build_for

    @property
    def times_out(self) -> bool:
        """Whether the time limit comes before the end of the script."""
        return self.script.run_for > self.timeout_s

    @property
    def ends(self) -> float:
        """When it ends if nobody stops it."""
        return self.runs + min(self.script.run_for, self.timeout_s)

    def result(self, ended: float, *, stopped: bool) -> bytes | None:
        """What the harness hands in at the end, None when there is nothing."""
        script = self.script
        if script.no_result or script.lost or script.out_of_memory:
            return None
        code = FailureCode.CANCELLED if stopped else FailureCode.TIMED_OUT if self.times_out else script.code
        if code is None and script.exit_code:
            code = FailureCode.AGENT_EXITED
        values = {
            "version": 1,
            "test_id": self.test_id,
            "attempt": self.attempt,
            "nonce": self.nonce,
            "outcome": "success" if code is None else "error",
            "code": code,
            "response": script.result if code is None else None,
            "error": None if code is None else {"type": None, "message": f"scripted: {code}", "traceback": None},
            "phases": {
                "build_ms": script.build_for * 1000 or None,
                "run_ms": max(0.0, ended - self.runs) * 1000,
            },
            "cpu_s": 0.0,
            "peak_memory_bytes": 0,
            "usage": None,
            "lines": first_seq(self.attempt) - 1 + sum(1 for _ in self._lines(ended)),
            "truncated": False,
            "exit_code": script.exit_code,
            "signal": None,
            "outputs": [file._asdict() for file in self.outputs().files],
        }
        return json.dumps(values).encode()

    def outputs(self) -> Joined:
        """The files that it leaves."""
        return join({path: text.encode() for path, text in self.script.outputs.items()})

    def output(self, now: float, *, stopped: float | None = None) -> Iterator[bytes]:
        """The lines of the output that are there by `now`, each a JSON object without a line end."""
        end = self.ends if stopped is None else min(stopped, self.ends)
        if self.script.build_for and self.starts <= now:
            yield self._mark("building", self.starts)
        if self.runs > min(now, end):
            return
        yield self._mark("running", self.runs)
        sequence = first_seq(self.attempt) - 1
        for at, text in self._lines(min(now, end)):
            sequence += 1
            line = {"seq": sequence, "ts": at, "stream": "stdout", "level": "info", "text": text}
            yield json.dumps(line).encode()
        if now >= end and not self.script.lost:
            yield self._mark("finished", end)
            yield self._mark("end", end, lines=sequence)

    def _lines(self, until: float) -> Iterator[tuple[float, str]]:
        texts = self.script.lines
        if isinstance(texts, int):
            texts = tuple(f"line {number}" for number in range(1, texts + 1))
        for number, text in enumerate(texts, 1):
            at = self.runs + (self.ends - self.runs) * number / (len(texts) + 1)
            if at > until:
                return
            yield at, text

    def _mark(self, name: str, at: float, **more: int) -> bytes:
        return json.dumps({"mark": name, "ts": at, "nonce": self.nonce, **more}).encode()


def output(source: Mapping[str, Any], now: float) -> Iterator[bytes]:
    """The output lines of the task with this log source that are there by `now`."""
    return Play.model_validate(source).output(now)
