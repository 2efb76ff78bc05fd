"""The shapes of the documents, as they lie in MongoDB. Field by field in `docs/store.md`.

Text that users choose as a key (labels) or nest (answers, log sources) is kept as strings, so that no `$` or dot of
theirs meets an operator of ours.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from shared.domain.facets import facets
from shared.domain.failure import Failure, FailureCode, Stage
from shared.domain.lifecycle import State
from shared.domain.pricing import Charge
from shared.ids import TestId, UserId

Document = dict[str, Any]
RESULT_DETAILS: Final = tuple(
    f"result.{name}"
    for name in ("response_json", "entry", "conversions", "files_left_out", "resolved", "built_from_source")
)
"""What can be long in a result: lists of tests and the books do not read it."""


class Part(BaseModel):
    """A part of a document. Unknown fields are ignored, so that an older replica can read what a newer one wrote."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)


class ModelSetting(Part):
    provider: str
    model_id: str = ""
    base_url: str = ""
    region: str = ""


class Resources(Part):
    cpu: float = 0.25
    memory_mib: int = 512


class StoredFile(Part):
    """A file of a test: where it lies (relative, with `/`), its size in bytes, the SHA-256 of its content."""

    path: str
    size: int
    sha256: str
    executable: bool = False


class ArchiveRef(Part):
    """Files that went with a test. Their content lies in `projects`, once for each user and digest."""

    digest: str
    files: list[StoredFile] = Field(default_factory=list)


class Sealed(Part):
    """Values of a test that are encrypted (`sealing.py`)."""

    key: str
    """Name of the master key that wraps the data key."""
    wrapped: bytes
    query: bytes = b""
    env: bytes = b""
    request_hash: bytes = b""


class Input(Part):
    """What the user handed in."""

    name: str = ""
    agent_code: str = ""
    requirements: list[str] = Field(default_factory=list)
    dockerfile: str = ""
    entrypoint: str = ""
    query: str = ""
    without_query: bool = False
    """No query was handed in: the agent is run without one. Else it has to reach the agent, empty or not."""
    project: ArchiveRef | None = None
    agent_path: str = ""
    """Where the agent's file lies in `project`; `agent_code` is its text, too."""
    inputs: ArchiveRef | None = None
    strict_answer: bool = False
    system_packages: list[str] = Field(default_factory=list)
    env: dict[str, str] = Field(default_factory=dict)
    sealed: Sealed | None = None
    """Present where the query and the values of `env` are not: they are in here, and could not be opened."""
    secret_refs: dict[str, str] = Field(default_factory=dict)
    model: ModelSetting | None = None
    timeout_s: int = 300
    priority: int = 4
    resources: Resources = Field(default_factory=Resources)
    network: bool = True
    allow_hosts: list[str] = Field(default_factory=list)


class HistoryEntry(Part):
    state: State
    at: datetime
    by: str
    attempt: int = 0
    reason: str = ""
    write: str = ""
    """Names the write that made it: a batch of moves is checked by these (see `executions.py`)."""


class Times(Part):
    submitted: datetime
    queued: datetime | None = None
    scheduled: datetime | None = None
    build_started: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None
    archived: datetime | None = None
    deadline: datetime | None = None


class Lease(Part):
    """Which orchestrator looks after the task, and until when unless it says so again."""

    owner: str
    until: datetime


class Task(Part):
    """The container of the current attempt. The nonce never leaves the store."""

    runtime: str
    launch_token: str
    nonce: str = ""
    """Empty where it was not asked for: only what launches, collects and follows reads it."""
    handle: dict[str, JsonValue] | None = None
    log_source: dict[str, JsonValue] | None = None
    context_key: str = ""
    result_key: str = ""
    exit_code: int | None = None
    stop_reason: str = ""
    abandoned: dict[str, JsonValue] | None = None
    """Handle of an earlier attempt that nobody stopped; whoever begins the next one does."""


class AgentError(Part):
    type: str = ""
    message: str = ""
    traceback: str = ""


def _known_code(code: object) -> object:
    return code if code in list(FailureCode) else FailureCode.INTERNAL


class FailureDoc(Part):
    code: Annotated[FailureCode, BeforeValidator(_known_code)]
    """INTERNAL where a newer service wrote one that this version does not know; the message is still its own."""
    stage: Stage
    message: str
    hint: str
    retryable: bool = False
    agent_error: AgentError | None = None

    @classmethod
    def of(cls, failure: Failure, agent_error: AgentError | None = None) -> FailureDoc:
        return cls(
            code=failure.code,
            stage=failure.stage,
            message=failure.message,
            hint=failure.hint,
            retryable=failure.retryable,
            agent_error=agent_error,
        )


class Metrics(Part):
    queue_ms: float | None = None
    build_ms: float | None = None
    run_ms: float | None = None
    total_ms: float | None = None
    cpu_s: float | None = None
    peak_memory_bytes: int | None = None


class Usage(Part):
    input_tokens: int = 0
    output_tokens: int = 0


class Cost(Part):
    """US dollars, by what they are for."""

    cpu: float = 0.0
    memory: float = 0.0
    storage: float = 0.0
    logs: float = 0.0

    def charge(self) -> Charge:
        return Charge(self.cpu, self.memory, self.storage, self.logs)


class EntryPoint(Part):
    """What of the agent's code was called, and how. Assay chose it where the test has not `named` it."""

    name: str
    kind: str = ""
    signature: str = ""
    call: str = ""
    query_passed: bool = True
    named: bool = False
    candidates: list[str] = Field(default_factory=list)


class Conversion(Part):
    """A value of the answer that was not plain JSON: where, of which type, what was made of it."""

    path: str
    type: str
    how: str


class Result(Part):
    success: bool
    response_json: str = ""
    entry: EntryPoint | None = None
    conversions: list[Conversion] = Field(default_factory=list)
    files_left_out: list[str] = Field(default_factory=list)
    """Why files in the agent's output folder were not kept."""
    metrics: Metrics = Field(default_factory=Metrics)
    usage: Usage | None = None
    resolved: list[str] = Field(default_factory=list)
    """`name==version` of everything that was installed for the agent: what a deployment package pins."""
    built_from_source: list[str] = Field(default_factory=list)
    """Those of them that were compiled, as no wheel was there: a package's image needs a compiler for them."""
    python: str = ""
    """The version of Python that it ran on."""


class Chain(Part):
    original_test_id: TestId
    retry_of: TestId
    retry_number: int


class Cancel(Part):
    requested_at: datetime
    by: str
    reason: str = ""


class Logs(Part):
    """The account of the task's output."""

    lines: int = 0
    bytes: int = 0
    ended: bool = False
    complete: bool = False
    truncated: bool = False
    expected: int | None = None
    follower: str = ""
    until: datetime | None = None
    """Until when `follower` reads it; absent before a launch and after the end."""


class BooksMark(Part):
    """How far the counters of usage and cost know the document (`store.books`)."""

    due: datetime | None = None
    """It has changed at this time in a way that is to be counted; absent where it is counted as it stands."""
    counted: str = ""
    batch: int = 0
    unreadable: str = ""
    """Why it could not be counted when it was looked at last."""


class Execution(Part):
    """One test."""

    id: TestId = Field(alias="_id")
    user_id: UserId
    agent_id: str
    agent_name: str = ""
    labels: list[str] = Field(default_factory=list)
    """`key=value`, sorted"""
    input: Input = Field(default_factory=Input)
    request_key: str
    """The client's request id, or the test's own id where there is none: unique per user."""
    request_hash: str = ""
    state: State = State.SUBMITTED
    attempt: int = 0
    failure: FailureDoc | None = None
    history: list[HistoryEntry] = Field(default_factory=list)
    times: Times
    rank: float | None = None
    """Its place in the queue; kept when it is queued again."""
    slot: int | None = None
    """The slot of the current attempt."""
    lease: Lease | None = None
    task: Task | None = None
    result: Result | None = None
    cost: Cost | None = None
    """Written when the test is counted, a moment after its end, and only where something is charged."""
    output_files: list[StoredFile] = Field(default_factory=list)
    """What the agent left behind, of the attempt that ended the test. The content lies in `artifacts`."""
    output_expires_at: datetime | None = None
    chain: Chain | None = None
    cancel: Cancel | None = None
    logs: Logs = Field(default_factory=Logs)
    package_id: str = ""
    traceparent: str = ""
    books: BooksMark | None = None

    def facets(self, *, words_of_query: bool = True) -> list[str]:
        """What the test can be found by as it was handed in."""
        text = f"{self.input.name}\n{self.input.query}" if words_of_query else self.input.name
        return facets(
            agent_id=self.agent_id,
            labels=self.labels,
            provider=self.input.model.provider if self.input.model else "",
            text=text,
        )


class QueueEntry(Part):
    """A test that waits. The collection holds nothing else, so its size is the length of the queue."""

    id: TestId = Field(alias="_id")
    user_id: UserId
    priority: int
    rank: float
    enqueued_at: datetime
    attempt: int = 0
    """The attempt that the test has behind it: a grant begins the next one."""
    traceparent: str = ""


class Slot(Part):
    """One unit of capacity, free where `test_id` is None."""

    id: int = Field(alias="_id")
    test_id: TestId | None = None
    user_id: UserId | None = None
    attempt: int = 0
    since: datetime | None = None


class StoredLine(Part):
    seq: int
    ts: float
    stream: str
    level: str
    text: str
    cont: bool = False


class Chunk(Part):
    """Lines that follow one another without a hole. Unique on (test_id, first)."""

    test_id: TestId
    first: int
    last: int
    bytes: int
    lines: list[StoredLine]
    cursor: dict[str, JsonValue] = Field(default_factory=dict)
    """Where to read on after these lines."""


class ApiKey(Part):
    """`_id` is the SHA-256 of the key: the key itself is never stored."""

    hash: str = Field(alias="_id")
    key_id: str
    user_id: UserId
    name: str = ""
    prefix: str = ""
    """The first characters of the key, to tell keys apart."""
    role: str = "user"
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    """To the minute."""
