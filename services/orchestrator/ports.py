"""What the orchestrator needs from the outside: somewhere to run a task, and somewhere to keep what it knows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from pydantic import JsonValue

from shared.domain.failure import FailureCode
from shared.domain.usage import Change, CounterName
from shared.errors import AssayError
from shared.events.base import Event
from shared.ids import TestId, UserId
from shared.store.books import Batch, Entry
from shared.store.documents import Document, Execution, StoredFile
from shared.store.executions import Move

Handle = Mapping[str, JsonValue]
"""Where a task is: a plain value that any replica can pick up again after a crash."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Files that go into a task, by what names them and by what they are. Their content is one piece: that of one file
    behind that of the other, in the order of `files`."""

    digest: str
    files: tuple[StoredFile, ...]


class LogLimits(NamedTuple):
    """Where the output of a task is cut. It runs on."""

    lines: int = 100_000
    size: int = 50 << 20
    """Bytes of their text."""


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """Everything that a runtime must know to run one attempt of one test."""

    test_id: TestId
    attempt: int
    user_id: UserId
    launch_token: str
    nonce: str
    agent_code: str
    query: str
    requirements: tuple[str, ...] = ()
    dockerfile: str = ""
    entrypoint: str | None = None
    env: Mapping[str, str] | None = None
    timeout_s: int = 300
    cpu: float = 0.25
    """vCPU"""
    memory_mib: int = 512
    network: bool = True
    allow_hosts: tuple[str, ...] = ()
    """What the test asks to reach beside the internet (shared.domain.destinations)."""
    model_url: str = ""
    """Where its model answers: reached without asking, where the operator permits it."""
    first_seq: int = 1
    """Number of the first log line (shared.domain.logsequence)."""
    without_query: bool = False
    strict_answer: bool = False
    project: Bundle | None = None
    agent_path: str = ""
    """Where the agent's file lies in the project."""
    inputs: Bundle | None = None
    contents: bytes = field(default=b"", repr=False)
    """The content of the project's files and then of the inputs; what launches reads it first (contents.py)."""
    output_files: int = 100
    """How many of the files that the agent leaves are handed back at most."""
    output_bytes: int = 25 << 20
    """And how many bytes of them, all together."""
    log_limits: LogLimits = field(default_factory=LogLimits)
    system_packages: tuple[str, ...] = ()
    secret_refs: Mapping[str, str] | None = None
    """Variables whose values lie in a secret store, by the names or ARNs of the secrets."""
    begun_at: datetime | None = None
    """When the intent to launch was stored: a repeated launch must not differ by the time of the day."""
    repeated: bool = field(default=False, compare=False)
    """Not part of the order: whether a launch with this token may have been made before, by us or by an orchestrator
    that went away."""


class Launched(NamedTuple):
    """What a launch answers."""

    handle: Handle
    log_source: Mapping[str, JsonValue]
    """Where the log streamer finds the task's output; `kind` says of which sort it is."""


class Phase(StrEnum):
    """What a runtime sees of a task."""

    PENDING = "pending"
    RUNNING = "running"
    STOPPED = "stopped"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Sighting:
    """One look at one task."""

    phase: Phase
    exit_code: int | None = None
    stop_code: str | None = None
    stop_reason: str | None = None
    out_of_memory: bool = False
    cause: FailureCode | None = None
    """What the platform itself says went wrong, in our words; None where it says nothing that we know."""


class LaunchFailed(AssayError):
    """The runtime could not start the task."""

    def __init__(self, code: FailureCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class LaunchUnsettled(AssayError):
    """The task was not started for certain, and not refused: the same launch, made again, will settle it.

    No answer came, or the platform has no room or no time just now. `code` is for when it never settles."""

    retryable = True

    def __init__(self, code: FailureCode, message: str) -> None:
        super().__init__(message)
        self.code = code


Alive = Callable[[Collection[TestId]], Awaitable[Mapping[TestId, int]]]
"""Which of these tests are known, by the attempt that is under way: 0 where none is."""


class Runtime(Protocol):
    """Somewhere to run tasks. One contract suite (tests/contract/test_runtimes.py) holds for every implementation."""

    @property
    def name(self) -> str:
        """`process`, `ecs`, `scripted`: stored with the test."""
        ...

    @property
    def gives_secrets(self) -> bool:
        """Whether it can fill in what `secret_refs` of a spec name. Else no such test is launched there."""
        ...

    async def launch(self, spec: TaskSpec) -> Launched:
        """Starts the task, or finds it started: a second call with the same launch token never starts a second one.

        Raises LaunchFailed, and LaunchUnsettled where only a second call can tell."""
        ...

    def handle_of(self, spec: TaskSpec) -> Handle:
        """A handle for `stop` and `cleanup` of a launch of which nobody knows what came of it."""
        ...

    async def inspect(self, handles: Sequence[Handle]) -> Sequence[Sighting]:
        """One look at each task, in the order of `handles`, in as few calls as the platform allows."""
        ...

    async def collect(self, handle: Handle) -> bytes | None:
        """The result object that the harness left, or None where there is none (yet)."""
        ...

    async def collect_outputs(self, handle: Handle) -> bytes | None:
        """The content of the files that the result lists, one behind the other; None where there is none. Not checked:
        it passed through an untrusted place."""
        ...

    async def stop(self, handle: Handle, *, grace_s: float) -> None:
        """Tells the task to end and, after `grace_s` seconds, ends it. Returns when told, not when dead."""
        ...

    async def cleanup(self, handle: Handle) -> None:
        """Frees what the task held; only its log output stays. Harmless when repeated."""
        ...

    def watch(self, changed: Callable[[Handle], None]) -> None:
        """Asks for a call of `changed` as soon as a task ended: a hint, polling alone stays correct."""
        ...

    def ends_soon(self, handle: Handle) -> None:
        """The task says that it is done: its result may be there before the platform notices the end."""
        ...

    async def tidy(self, alive: Alive) -> None:
        """Removes what ended tasks left behind and nobody needs any more. Called every `tidy_s` seconds."""
        ...

    @property
    def tidy_s(self) -> float: ...

    async def aclose(self) -> None:
        """Lets go of the tasks without stopping them."""
        ...


class StoredFiles(Protocol):
    """The files that users handed in (shared.store.projects.Projects)."""

    async def read(self, user: UserId, digest: str) -> bytes | None: ...


class LeftFiles(Protocol):
    """The files that agents left (shared.store.artifacts.Artifacts)."""

    async def put(self, test: TestId, attempt: int, data: bytes, expires_at: datetime) -> None: ...


class Tests(Protocol):
    """The stored tests (shared.store.executions)."""

    async def move(self, move: Move) -> bool: ...
    async def change(
        self,
        test_id: TestId,
        *,
        where: Mapping[str, Any],
        set: Mapping[str, Any],  # noqa: A002 - the name of the operator
        unset: Sequence[str] = (),
        telling: Sequence[Event] = (),
        facets: Sequence[str] = (),
        traceparent: str = "",
        brief: bool = False,
        durable: bool = True,
    ) -> Execution | None: ...
    async def get(self, test_id: TestId) -> Execution | None: ...
    async def get_many(self, tests: Iterable[TestId]) -> dict[TestId, Execution]: ...
    async def renew(self, tests: Iterable[TestId], owner: str, until: datetime) -> None: ...
    async def owned(self, owner: str, limit: int) -> list[TestId]: ...
    async def unlaunched(self, before: datetime, limit: int) -> list[Execution]: ...
    async def unattended(self, now: datetime, limit: int) -> list[TestId]: ...
    async def abandoned(self, runtime: str, limit: int) -> list[Execution]: ...


class Accounts(Protocol):
    """The books of usage and cost (shared.store.books.Books)."""

    async def due(self, before: datetime, patience: timedelta, limit: int) -> list[Document]: ...

    async def due_packages(self, before: datetime, limit: int) -> list[Document]: ...

    async def put_off(self, collection: str, found: Document, until: datetime, reason: str) -> None: ...

    async def take_back(self, number: int, entry: Entry, until: datetime, reason: str) -> None: ...

    async def labels(self, tests: Iterable[str]) -> dict[str, list[str]]: ...

    async def take(self, owner: str, now: datetime, until: datetime) -> Batch | None: ...

    async def begin(self, owner: str, entries: Sequence[Entry]) -> Batch | None: ...

    async def mark(self, batch: Batch) -> None: ...

    async def members(self, batch: Batch) -> dict[tuple[str, str], Document]: ...

    async def count(self, number: int, changes: Mapping[CounterName, Change]) -> dict[str, str]: ...

    async def close(self, owner: str, number: int) -> None: ...
