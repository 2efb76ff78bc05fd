"""Tests, queue entries and lines as tests need them: valid, short, and different only in what is asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.domain.lifecycle import State
from shared.events.logs import LogLine
from shared.ids import PackageId, TestId, UserId, launch_token, new_package_id, new_test_id
from shared.store.documents import (
    Execution,
    HistoryEntry,
    Input,
    Lease,
    QueueEntry,
    Slot,
    Task,
    Times,
)
from shared.store.package_documents import Package, PackageClaim, PackageFile, PackageOptions
from shared.store.packages import Made

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ALICE, BOB = UserId("alice"), UserId("bob")


def execution(state: State = State.SUBMITTED, *, attempt: int = 0, at: datetime = NOW, **changes: Any) -> Execution:
    """A test in this state. Anything that `Execution` has can be given."""
    test_id = changes.pop("id", None) or new_test_id()
    fields: dict[str, Any] = {
        "user_id": ALICE,
        "agent_id": "agent",
        "input": Input(agent_code="def run(query): return query", query="hello", timeout_s=30),
        "request_key": test_id,
        "history": [HistoryEntry(state=State.SUBMITTED, at=at, by="gateway")],
        "times": Times(submitted=at, scheduled=at if attempt else None),
        **changes,
    }
    return Execution(id=test_id, state=state, attempt=attempt, **fields)


def task(test_id: TestId, attempt: int = 1, **changes: Any) -> Task:
    """A launched task."""
    fields: dict[str, Any] = {"handle": {"number": 1}, "log_source": {"kind": "file", "path": "/nowhere"}, **changes}
    return Task(runtime="fake", launch_token=launch_token(test_id, attempt), nonce="nonce", **fields)


def lease(until: datetime, owner: str = "one") -> Lease:
    return Lease(owner=owner, until=until)


def entry(rank: float, *, priority: int = 4, user: UserId = ALICE, **changes: Any) -> QueueEntry:
    """A waiting test."""
    fields: dict[str, Any] = {"id": new_test_id(), "enqueued_at": NOW, **changes}
    return QueueEntry(user_id=user, priority=priority, rank=rank, **fields)


def taken(number: int, test_id: TestId, *, attempt: int = 1, age: timedelta = timedelta(minutes=1)) -> Slot:
    """A slot in use since `age` before NOW."""
    return Slot(id=number, test_id=test_id, user_id=ALICE, attempt=attempt, since=NOW - age)


def line(seq: int, text: str = "", **changes: Any) -> LogLine:
    fields: dict[str, Any] = {"ts": 1.0, "stream": "stdout", "level": "info", **changes}
    return LogLine(seq=seq, text=text or f"line {seq}", **fields)


def package(test_id: TestId | None = None, *, at: datetime = NOW, **changes: Any) -> Package:
    """A package that was just asked for."""
    package_id: PackageId = changes.pop("id", None) or new_package_id()
    fields: dict[str, Any] = {
        "user_id": ALICE,
        "agent_id": "agent",
        "options": PackageOptions(),
        "options_hash": "options",
        "request_keys": [package_id],
        "created_at": at,
        "requested_at": at,
        "claim": PackageClaim(until=at + timedelta(seconds=3)),
        **changes,
    }
    return Package(id=package_id, test_id=test_id or new_test_id(), **fields)


def made(*, at: datetime = NOW, **changes: Any) -> Made:
    """What came of making one."""
    fields: dict[str, Any] = {
        "key": "packages/alice/one.zip",
        "size": 5,
        "sha256": "ab" * 32,
        "content_hash": "cd" * 32,
        "service_name": "agent",
        "files": [PackageFile(path="agent/agent.py", size=5, sha256="ef" * 32)],
        "ready_at": at,
        "expires_at": at + timedelta(days=1),
        **changes,
    }
    return Made(**fields)
