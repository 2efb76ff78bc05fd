"""The JetStream streams and the limits of every consumer, declared in one place.

Applied by `provision`: by `assay-admin provision` in production, at start in local mode.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog
from nats.errors import TimeoutError as NoAnswer
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import BadRequestError, NotFoundError

log = structlog.get_logger()

_DAY_S: Final = 86_400.0
_MIB: Final = 1 << 20

ACK_WAIT_S: Final = 30.0
MAX_DELIVER: Final = 6
RETRY_DELAYS_S: Final = (0.2, 1.0, 5.0, 15.0, 30.0)
"""How long a message whose handler failed waits before it comes again; after the last one it is a dead letter."""

# Subjects of the advisory that the server sends when a message was delivered MAX_DELIVER times without an answer: a
# consumer that crashes on it never gets to say so itself.
EXHAUSTED: Final = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>"


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream: whose subjects it keeps, for how long and how many bytes at most."""

    name: str
    subjects: tuple[str, ...]
    max_age_s: float
    max_bytes: int

    def config(self, replicas: int) -> StreamConfig:
        return StreamConfig(
            name=self.name,
            subjects=list(self.subjects),
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            discard=DiscardPolicy.OLD,
            max_age=self.max_age_s,
            max_bytes=self.max_bytes,
            duplicate_window=120.0,
            num_replicas=replicas,
        )


TESTS: Final = Stream("TESTS", ("test.>",), 7 * _DAY_S, 1024 * _MIB)
TASKS: Final = Stream("TASKS", ("task.>",), 7 * _DAY_S, 512 * _MIB)
LOGS: Final = Stream("LOGS", ("logs.>",), _DAY_S, 2048 * _MIB)
PACKAGES: Final = Stream("PACKAGES", ("package.>",), 7 * _DAY_S, 128 * _MIB)
AUDIT: Final = Stream("AUDIT", ("audit.>",), 30 * _DAY_S, 256 * _MIB)
DEAD: Final = Stream("DEAD", ("dead.>", EXHAUSTED), 30 * _DAY_S, 256 * _MIB)

ALL: Final = (TESTS, TASKS, LOGS, PACKAGES, AUDIT, DEAD)
_BY_DOMAIN: Final = {"test": TESTS, "task": TASKS, "logs": LOGS, "package": PACKAGES, "audit": AUDIT, "dead": DEAD}


def is_kept(subject: str) -> bool:
    """Whether a stream keeps what is published on `subject`, and says so to who publishes it. Events that none keeps
    (`output.partial`) have a domain of their own: a consumer of `logs.>` asks for what is in the stream."""
    return subject.split(".", 1)[0] in _BY_DOMAIN


def stream_of(subject: str) -> Stream:
    """The stream that keeps `subject`. Raises KeyError for a subject outside the catalogue."""
    return _BY_DOMAIN[subject.split(".", 1)[0]]


def consumer_config(durable: str, subject: str) -> ConsumerConfig:
    """A durable pull consumer with explicit acknowledgement and an end to redelivery."""
    return ConsumerConfig(
        durable_name=durable,
        filter_subject=subject,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ACK_WAIT_S,
        max_deliver=MAX_DELIVER,
        max_ack_pending=4096,
    )


async def provision(jetstream: JetStreamContext, *, replicas: int) -> None:
    """Creates the streams that are missing and brings the others up to date. Harmless when repeated, and when several
    services do it at once.

    Raises nats.errors.Error where the server refuses (a limit of the account, a stream of somebody else that has the
    subjects, a change that is not allowed)."""
    for stream in ALL:
        config = stream.config(replicas)
        present = await _present(jetstream, stream.name)
        if present is None:
            try:
                await jetstream.add_stream(config)
                continue
            except BadRequestError:
                # nats-server 2.9 now and then finds a stream that another service is making just now to overlap with
                # itself (err_code 10065, one start of six clients at once in sixty), where it should say "the same".
                present = await _present(jetstream, stream.name)
                if present is None:
                    raise
        wanted = (sorted(config.subjects or []), config.max_age, config.max_bytes, config.num_replicas)
        if (sorted(present.subjects or []), present.max_age, present.max_bytes, present.num_replicas) != wanted:
            await _update(jetstream, config)


async def _update(jetstream: JetStreamContext, config: StreamConfig) -> None:
    """A server leaves a change without an answer where the user may not make it: only that of `assay-admin` may."""
    try:
        await jetstream.update_stream(config)
    except NoAnswer:
        log.warning("stream_not_updated", stream=config.name, hint="`assay-admin provision` brings it up to date")


async def _present(jetstream: JetStreamContext, name: str) -> StreamConfig | None:
    try:
        return (await jetstream.stream_info(name)).config
    except NotFoundError:
        return None


async def ensure_consumer(jetstream: JetStreamContext, stream: str, config: ConsumerConfig) -> bool:
    """Creates the consumer where it is missing (an operator deleted it, a server lost it); says whether it had to.

    An existing durable keeps its old settings unless they are sent again (measured on 2.9), so they are."""
    assert config.durable_name
    try:
        present = (await jetstream.consumer_info(stream, config.durable_name)).config
    except NotFoundError:
        await jetstream.add_consumer(stream, config)
        return True
    if (present.ack_wait, present.max_deliver, present.max_ack_pending) != (
        config.ack_wait,
        config.max_deliver,
        config.max_ack_pending,
    ):
        await jetstream.add_consumer(stream, config)
    return False
