"""Agents with their figures and newest runs, as the SDK gives them. Made by report_messages.py."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from assay.plain import plain
from assay.reports import AgentStats
from assay.tests import TestState


@dataclass(frozen=True, slots=True)
class AgentRun:
    """One ended test of an agent. `failure_code` is empty where it passed, `run` is None where it never ran."""

    test_id: str
    state: TestState
    failure_code: str
    submitted: datetime | None
    run: timedelta | None
    peak_memory_bytes: int


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent of `user_id`: its figures, its newest failed test (cancelled ones left out) and its newest ended ones,
    newest first."""

    user_id: str
    stats: AgentStats
    last_failure: AgentRun | None
    runs: tuple[AgentRun, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON: times as ISO 8601 in UTC, durations as seconds in fields that end in `_s`."""
        value: dict[str, Any] = plain(self)
        return value


@dataclass(frozen=True, slots=True)
class AgentPage:
    """One page of a list. `next_page_token` is empty on the last one."""

    agents: tuple[Agent, ...]
    next_page_token: str
