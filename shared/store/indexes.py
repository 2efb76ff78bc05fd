"""The indexes, declared in one place. Every query has one; `docs/indexes.md` lists both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pymongo import ASCENDING, DESCENDING, IndexModel


@dataclass(frozen=True, slots=True)
class Index:
    """An index and the questions it answers."""

    collection: str
    model: IndexModel
    answers: str


INDEXES: Final = (
    Index(
        "executions",
        IndexModel([("user_id", ASCENDING), ("request_key", ASCENDING)], unique=True, name="request"),
        "one test per user and request id",
    ),
    Index(
        "executions",
        IndexModel([("user_id", ASCENDING), ("_id", DESCENDING)], name="user_newest"),
        "a user's tests, newest first",
    ),
    Index(
        "executions",
        IndexModel([("user_id", ASCENDING), ("state", ASCENDING), ("_id", DESCENDING)], name="user_state"),
        "a user's tests in some states, newest first",
    ),
    Index(
        "executions",
        IndexModel([("state", ASCENDING), ("times.submitted", ASCENDING)], name="state_age"),
        "sweeps: tests that wait in a state",
    ),
    Index(
        "executions", IndexModel([("outbox.at", ASCENDING)], sparse=True, name="outbox"), "sweep: events not sent yet"
    ),
    Index(
        "executions",
        IndexModel([("lease.until", ASCENDING)], sparse=True, name="lease"),
        "sweep: tasks that nobody looks after",
    ),
    Index(
        "executions",
        IndexModel([("lease.owner", ASCENDING)], sparse=True, name="owner"),
        "an orchestrator's own tasks, to renew",
    ),
    Index(
        "executions",
        IndexModel(
            [("chain.original_test_id", ASCENDING), ("chain.retry_number", ASCENDING)],
            unique=True,
            sparse=True,
            name="chain",
        ),
        "the retries of a test, by number; one test per number",
    ),
    Index(
        "executions",
        IndexModel([("task.abandoned.runtime", ASCENDING)], sparse=True, name="abandoned"),
        "sweep: tasks of ended tests that nobody stopped",
    ),
    Index(
        "executions",
        IndexModel([("logs.until", ASCENDING)], sparse=True, name="log_lease"),
        "sweep: logs that nobody follows",
    ),
    Index(
        "executions",
        IndexModel([("state", ASCENDING), ("cancel.requested_at", ASCENDING)], name="state_cancel"),
        "sweep: waiting tests that somebody wants stopped",
    ),
    Index(
        "executions",
        IndexModel([("user_id", ASCENDING), ("facets", ASCENDING), ("_id", DESCENDING)], name="user_facets"),
        "a user's tests of an agent, with a label, a provider or a word, newest first",
    ),
    Index(
        "executions",
        IndexModel([("facets", ASCENDING), ("_id", DESCENDING)], name="facets"),
        "the same for everybody's tests",
    ),
    Index(
        "executions",
        IndexModel(
            [("user_id", ASCENDING), ("agent_id", ASCENDING), ("state", ASCENDING), ("_id", DESCENDING)],
            name="user_agent_state",
        ),
        "a user's tests of an agent in some states, newest first",
    ),
    Index(
        "executions",
        IndexModel([("state", ASCENDING), ("_id", DESCENDING)], name="state_newest"),
        "everybody's tests in some states, newest first",
    ),
    Index(
        "executions",
        IndexModel([("user_id", ASCENDING), ("failure.code", ASCENDING), ("_id", DESCENDING)], name="user_failure"),
        "a user's tests that failed for one reason, newest first",
    ),
    Index(
        "executions",
        IndexModel([("failure.code", ASCENDING), ("_id", DESCENDING)], name="failure"),
        "the same for everybody's tests",
    ),
    Index(
        "executions",
        IndexModel(
            [("user_id", ASCENDING), ("agent_id", ASCENDING), ("failure.code", ASCENDING), ("_id", DESCENDING)],
            name="user_agent_failure",
        ),
        "a user's tests of an agent that failed, newest first",
    ),
    Index(
        "executions",
        IndexModel(
            [("user_id", ASCENDING), ("result.metrics.run_ms", DESCENDING), ("_id", DESCENDING)], name="user_run_time"
        ),
        "a user's tests, longest run first",
    ),
    Index(
        "executions",
        IndexModel(
            [
                ("user_id", ASCENDING),
                ("agent_id", ASCENDING),
                ("result.metrics.run_ms", DESCENDING),
                ("_id", DESCENDING),
            ],
            name="user_agent_run_time",
        ),
        "a user's tests of an agent, longest run first",
    ),
    Index(
        "executions",
        IndexModel([("result.metrics.run_ms", DESCENDING), ("_id", DESCENDING)], name="run_time"),
        "everybody's tests, longest run first",
    ),
    Index(
        "executions",
        IndexModel([("books.due", ASCENDING)], sparse=True, name="books"),
        "tests that the counters do not know as they stand",
    ),
    Index(
        "executions",
        IndexModel([("input.sealed.key", ASCENDING)], sparse=True, name="sealed_by"),
        "tests that are sealed with a master key, when it is changed for another one",
    ),
    Index(
        "queue",
        IndexModel(
            [("priority", DESCENDING), ("rank", ASCENDING), ("_id", ASCENDING), ("user_id", ASCENDING)],
            name="order_user",
        ),
        "who is next, some users left out, and how many are ahead",
    ),
    Index("queue", IndexModel([("enqueued_at", ASCENDING)], name="oldest"), "how long the oldest has waited"),
    Index("queue", IndexModel([("user_id", ASCENDING)], name="user"), "how many of a user's tests wait"),
    Index("slots", IndexModel([("test_id", ASCENDING)], name="test"), "a free slot, or the slot of a test"),
    Index("slots", IndexModel([("user_id", ASCENDING)], name="user"), "how many slots a user holds"),
    Index(
        "log_chunks",
        IndexModel([("test_id", ASCENDING), ("first", ASCENDING), ("last", ASCENDING)], unique=True, name="sequence"),
        "a test's lines from a number on",
    ),
    Index(
        "packages",
        IndexModel([("test_id", ASCENDING), ("options_hash", ASCENDING)], unique=True, name="options"),
        "one package per test and options",
    ),
    Index(
        "packages",
        IndexModel([("user_id", ASCENDING), ("request_keys", ASCENDING)], unique=True, name="request"),
        "one package per user and request id",
    ),
    Index(
        "packages",
        IndexModel([("user_id", ASCENDING), ("_id", DESCENDING)], name="user_newest"),
        "a user's packages, newest first",
    ),
    Index(
        "packages",
        IndexModel([("agent_id", ASCENDING), ("_id", DESCENDING)], name="agent_newest"),
        "an agent's packages, newest first",
    ),
    Index(
        "packages",
        IndexModel([("claim.until", ASCENDING)], sparse=True, name="claim"),
        "sweep: packages that nobody makes",
    ),
    Index(
        "packages",
        IndexModel([("claim.owner", ASCENDING)], sparse=True, name="owner"),
        "what a packager was making when it went down",
    ),
    Index(
        "packages",
        IndexModel([("state", ASCENDING), ("expires_at", ASCENDING)], name="expiry"),
        "sweep: packages whose time is over",
    ),
    Index(
        "packages",
        IndexModel([("state", ASCENDING), ("size", ASCENDING)], name="stored"),
        "how many packages are kept, and how large they are",
    ),
    Index("packages", IndexModel([("outbox.at", ASCENDING)], sparse=True, name="outbox"), "sweep: events not sent yet"),
    Index(
        "packages",
        IndexModel([("books.due", ASCENDING)], sparse=True, name="books"),
        "packages that the counters do not know yet",
    ),
    Index(
        "counters",
        IndexModel(
            [("kind", ASCENDING), ("user", ASCENDING), ("start", ASCENDING), ("key", ASCENDING)], name="user_start_key"
        ),
        "usage and cost of a user, or of everybody, over time",
    ),
    Index(
        "counters",
        IndexModel([("kind", ASCENDING), ("start", ASCENDING)], name="start"),
        "usage and cost of each user over time",
    ),
    Index(
        "counters",
        IndexModel(
            [("kind", ASCENDING), ("user", ASCENDING), ("last_submitted", DESCENDING), ("_id", DESCENDING)],
            name="user_newest",
        ),
        "a user's agents, the one with the newest test first",
    ),
    Index(
        "counters",
        IndexModel([("kind", ASCENDING), ("last_submitted", DESCENDING), ("_id", DESCENDING)], name="newest"),
        "the same for everybody's agents",
    ),
    Index(
        "api_keys",
        IndexModel([("key_id", ASCENDING)], unique=True, name="key_id"),
        "a key by its public id; everybody's keys, newest first",
    ),
    Index(
        "api_keys",
        IndexModel([("user_id", ASCENDING), ("key_id", DESCENDING)], name="user_newest"),
        "a user's keys, newest first",
    ),
    Index(
        "projects",
        IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0, name="expiry"),
        "the database removes files that nobody has used for their time",
    ),
    Index(
        "projects",
        IndexModel([("user_id", ASCENDING), ("size", ASCENDING)], name="user_size"),
        "how much a user has stored, read from the index",
    ),
    Index(
        "artifacts",
        IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0, name="expiry"),
        "the database removes output files when their time is over",
    ),
    Index(
        "audit",
        IndexModel([("actor.user_id", ASCENDING), ("_id", DESCENDING)], name="user_newest"),
        "what somebody did, newest first",
    ),
    Index(
        "audit",
        IndexModel([("target.owner", ASCENDING), ("_id", DESCENDING)], name="owner_newest"),
        "what was done to a user's things, newest first",
    ),
    Index(
        "audit",
        IndexModel([("action", ASCENDING), ("_id", DESCENDING)], name="action_newest"),
        "who did something, newest first",
    ),
    Index("audit", IndexModel([("outbox.at", ASCENDING)], sparse=True, name="outbox"), "sweep: events not sent yet"),
    Index(
        "audit",
        IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0, sparse=True, name="expiry"),
        "the database removes entries of the audit log when their time is over",
    ),
)

RETIRED: Final = (("queue", "order"),)
"""Indexes of earlier versions, by collection and name: each would cost every write of its collection for nothing."""
