"""The closed list of reasons why a test did not complete:

what happened, where, whether we try again, what the user can do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class FailureCode(StrEnum):
    """Why a test did not complete. The names are part of the API."""

    DEPENDENCY_INSTALL_FAILED = "DEPENDENCY_INSTALL_FAILED"
    SYSTEM_PACKAGE_MISSING = "SYSTEM_PACKAGE_MISSING"
    CONTEXT_UNAVAILABLE = "CONTEXT_UNAVAILABLE"
    AGENT_IMPORT_ERROR = "AGENT_IMPORT_ERROR"
    ENTRYPOINT_NOT_FOUND = "ENTRYPOINT_NOT_FOUND"
    ENTRYPOINT_AMBIGUOUS = "ENTRYPOINT_AMBIGUOUS"
    QUERY_NOT_ACCEPTED = "QUERY_NOT_ACCEPTED"
    AGENT_EXCEPTION = "AGENT_EXCEPTION"
    AGENT_EXITED = "AGENT_EXITED"
    RESULT_TOO_LARGE = "RESULT_TOO_LARGE"
    RESULT_INVALID = "RESULT_INVALID"
    TIMED_OUT = "TIMED_OUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    CANCELLED = "CANCELLED"
    CAPACITY_UNAVAILABLE = "CAPACITY_UNAVAILABLE"
    IMAGE_PULL_FAILED = "IMAGE_PULL_FAILED"
    TASK_START_FAILED = "TASK_START_FAILED"
    TASK_START_TIMEOUT = "TASK_START_TIMEOUT"
    TASK_LOST = "TASK_LOST"
    SPOT_INTERRUPTED = "SPOT_INTERRUPTED"
    THROTTLED = "THROTTLED"
    QUEUE_TIMEOUT = "QUEUE_TIMEOUT"
    CREDENTIALS_INVALID = "CREDENTIALS_INVALID"
    HOST_NOT_ALLOWED = "HOST_NOT_ALLOWED"
    PACKAGE_NOT_STORED = "PACKAGE_NOT_STORED"
    INTERNAL = "INTERNAL"


class Stage(StrEnum):
    """In which part of its life a test failed, or that its deployment package did."""

    QUEUE = "queue"
    LAUNCH = "launch"
    BUILD = "build"
    RUN = "run"
    RESULT = "result"
    PACKAGE = "package"


@dataclass(frozen=True, slots=True)
class Kind:
    """What is true of every failure with one code."""

    stage: Stage
    message: str
    hint: str
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one test did not complete.

    `retryable` says that the platform, not the agent, was at fault, so that we try again."""

    code: FailureCode
    stage: Stage
    message: str
    hint: str
    retryable: bool

    @classmethod
    def of(
        cls, code: FailureCode, message: str | None = None, *, stage: Stage | None = None, hint: str | None = None
    ) -> Failure:
        """The failure with this code, with its usual message, stage and hint unless others are given."""
        kind = KINDS[code]
        return cls(code, stage or kind.stage, message or kind.message, hint or kind.hint, kind.retryable)


_INFRASTRUCTURE_HINT = (
    "Nothing is wrong with the agent. It is tried again by itself, three times in all; then submit it again later."
)

KINDS: Final[dict[FailureCode, Kind]] = {
    FailureCode.DEPENDENCY_INSTALL_FAILED: Kind(
        Stage.BUILD,
        "The requirements could not be installed.",
        "Read the build lines of the log: they have all that the installer said.",
    ),
    FailureCode.SYSTEM_PACKAGE_MISSING: Kind(
        Stage.BUILD,
        "The place that runs the tests lacks a Debian package that the test needs.",
        "Check its name, leave it out if the agent does not need it, or ask the operator to install it: on the machine "
        "of the process runtime, or in the runner image.",
    ),
    FailureCode.CONTEXT_UNAVAILABLE: Kind(
        Stage.BUILD,
        "The task could not read the code it was to run.",
        "Submit the test again. If it happens again, the link to the code ran out before the task started: "
        "ask the operator.",
    ),
    FailureCode.AGENT_IMPORT_ERROR: Kind(
        Stage.RUN,
        "The agent's code could not be loaded.",
        "Read the traceback: its last lines say what went wrong while the file was loaded, and where.",
    ),
    FailureCode.ENTRYPOINT_NOT_FOUND: Kind(
        Stage.RUN,
        "The agent's code has no such entry point.",
        "Define run(query) in the code, or name what is meant with the entry point setting (agent:my_function); "
        "__main__ runs the file as a script.",
    ),
    FailureCode.ENTRYPOINT_AMBIGUOUS: Kind(
        Stage.RUN,
        "The agent's code offers several things to call, and none of them is plainly the agent.",
        "Name the one that is meant with the entry point setting (agent:my_function).",
    ),
    FailureCode.QUERY_NOT_ACCEPTED: Kind(
        Stage.RUN,
        "The entry point cannot take the query.",
        "Give the entry point a parameter for the query, name another entry point, or submit without a query "
        "(--no-query) if none is wanted.",
    ),
    FailureCode.AGENT_EXCEPTION: Kind(
        Stage.RUN, "The agent raised an exception.", "Read the traceback; its last frame is where the agent raised it."
    ),
    FailureCode.AGENT_EXITED: Kind(
        Stage.RUN,
        "The agent's process ended without giving an answer.",
        "Return the answer from the entry point instead of leaving the process "
        "(sys.exit, os._exit, a crash in native code).",
    ),
    FailureCode.RESULT_TOO_LARGE: Kind(
        Stage.RESULT,
        "The answer is larger than 1 MiB.",
        "Return a summary, or write the whole answer to a file in /work/out. Without --strict-answer it is cut with a "
        "mark.",
    ),
    FailureCode.RESULT_INVALID: Kind(
        Stage.RESULT,
        "The answer is not a JSON value.",
        "Return strings, numbers, booleans, None, lists and dictionaries with string keys, or submit without "
        "--strict-answer: then it is converted.",
    ),
    FailureCode.TIMED_OUT: Kind(
        Stage.RUN,
        "The agent did not answer within its time limit.",
        "Give it a longer limit, or find out from its log where it waits.",
    ),
    FailureCode.OUT_OF_MEMORY: Kind(
        Stage.RUN,
        "The agent used more memory than its limit.",
        "Give the test more memory (--memory 1g), or make the agent hold less at once. Files in /work, /tmp and "
        "/dev/shm of its sandbox count as memory, too.",
    ),
    FailureCode.CANCELLED: Kind(Stage.RUN, "The test was cancelled.", "Submit it again when you want it to run."),
    FailureCode.CAPACITY_UNAVAILABLE: Kind(
        Stage.LAUNCH, "There was no room for the task.", _INFRASTRUCTURE_HINT, retryable=True
    ),
    FailureCode.IMAGE_PULL_FAILED: Kind(
        Stage.LAUNCH,
        "The container image could not be fetched.",
        "The operator should check the image's name, its registry and the execution role.",
    ),
    FailureCode.TASK_START_FAILED: Kind(
        Stage.LAUNCH, "The task could not be started.", _INFRASTRUCTURE_HINT, retryable=True
    ),
    FailureCode.TASK_START_TIMEOUT: Kind(
        Stage.LAUNCH, "The task did not start in time.", _INFRASTRUCTURE_HINT, retryable=True
    ),
    FailureCode.TASK_LOST: Kind(
        Stage.RUN, "The task disappeared before it ended.", _INFRASTRUCTURE_HINT, retryable=True
    ),
    FailureCode.SPOT_INTERRUPTED: Kind(
        Stage.RUN, "The machine under the task was taken away.", _INFRASTRUCTURE_HINT, retryable=True
    ),
    FailureCode.THROTTLED: Kind(
        Stage.LAUNCH, "The cloud provider refused more calls for now.", _INFRASTRUCTURE_HINT, retryable=True
    ),
    FailureCode.QUEUE_TIMEOUT: Kind(
        Stage.QUEUE, "The test waited too long for a free slot.", "Submit it again later, or ask for more capacity."
    ),
    FailureCode.CREDENTIALS_INVALID: Kind(
        Stage.LAUNCH,
        "The credentials that the test needs are missing or not valid.",
        "Check the secret references of the test; the operator should check the secret store and, on AWS, the role.",
    ),
    FailureCode.HOST_NOT_ALLOWED: Kind(
        Stage.LAUNCH,
        "The test asks for a host that tests may not reach here.",
        "Ask the operator to permit it, or submit the test without it: the internet needs no permission.",
    ),
    FailureCode.PACKAGE_NOT_STORED: Kind(
        Stage.PACKAGE,
        "The object store did not take the deployment package.",
        "Nothing is wrong with the test: ask for the package again later. "
        "The operator should check the bucket and what the packager's role may do.",
        retryable=True,
    ),
    FailureCode.INTERNAL: Kind(
        Stage.RUN,
        "Something in Assay itself went wrong.",
        "Submit the test again; if it happens again, report it with the test's id.",
    ),
}
