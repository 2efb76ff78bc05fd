"""What came of a test, as the SDK gives it: its answer or why there is none, and what it took."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class AgentError:
    """An exception that left the agent."""

    type: str
    message: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a test has no answer."""

    code: str
    stage: str
    message: str
    hint: str
    retryable: bool
    agent_error: AgentError | None = None


@dataclass(frozen=True, slots=True)
class Metrics:
    """What a test took; None for a phase that did not take place."""

    queue: timedelta | None = None
    build: timedelta | None = None
    run: timedelta | None = None
    total: timedelta | None = None
    cpu: timedelta | None = None
    peak_memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens that the agent says it used."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """What of the agent's code was called, and how. Assay chose it among `candidates` where the test has not `named`
    it."""

    name: str
    kind: str = ""
    signature: str = ""
    call: str = ""
    query_passed: bool = True
    named: bool = False
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversion:
    """A value of the answer that was not plain JSON: where it stood, its type, and what was made of it."""

    path: str
    type: str
    how: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What a test cost, in US dollars."""

    total_usd: float
    cpu_usd: float
    memory_usd: float
    storage_usd: float
    logs_usd: float


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a test that ended. `response_json` is the answer exactly as the agent gave it, but for what
    `conversions` tells."""

    success: bool
    response_json: str
    metrics: Metrics
    usage: TokenUsage | None
    entry: EntryPoint | None = None
    """None where nothing was called: the code could not be loaded, or has nothing to call."""
    conversions: tuple[Conversion, ...] = ()
    files_left_out: tuple[str, ...] = ()
    """Why files that the agent left behind were not kept."""

    @property
    def response(self) -> Any:
        """The answer as Python values; None when there is none."""
        return json.loads(self.response_json) if self.response_json else None
