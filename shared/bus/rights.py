"""Which subjects of NATS each service needs, and what somebody who only listens gets. The least that works.

How a server is told is `deploy.nats_accounts`. A service that hears another event, or publishes on another subject,
needs a line here; local mode runs on these rights, so what is missing is noticed at once. Plain words and no classes
of events, for the reason that `shared.bus.subjects` has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shared.bus.subjects import ASK, INBOX, NUDGE, REPLAYED, REPORT, durable_of

API: Final = "$JS.API"
STREAMS: Final = {
    "test": "TESTS",
    "task": "TASKS",
    "logs": "LOGS",
    "package": "PACKAGES",
    "audit": "AUDIT",
    "dead": "DEAD",
}
"""The streams, by the first words of their subjects."""
DOMAINS: Final = ("test", "task", "logs", "output", "package")
"""First words of the subjects of events about tests."""
AUDIT: Final = "audit"
"""That of what people with power did, which is for nobody but those who hear everything."""
READABLE: Final = ("TESTS", "TASKS", "LOGS", "PACKAGES", "AUDIT")
"""The streams that somebody who hears everything may read, too."""

CONSUMES: Final[Mapping[str, Sequence[str]]] = {
    "gateway": (),
    "scheduler": (
        *("test.submitted", "test.cancel_requested", "test.requeued"),
        *("test.completed", "test.failed", "test.timed_out"),
    ),
    "orchestrator": ("test.scheduled", "test.cancel_requested", "task.phase"),
    "logstreamer": ("task.started", "task.stopped"),
    "packager": ("package.requested",),
}
"""The events that each service has a durable consumer for."""
SERVICES: Final = tuple(CONSUMES)

# Every service with a relay sends whatever lies in the outboxes of its collection, whoever has left it there.
_OF_TESTS: Final = ("test.>", "task.>", "logs.>")
_TELLS: Final[Mapping[str, Sequence[str]]] = {
    "gateway": (
        *(*_OF_TESTS, "package.>", "audit.>"),
        *(NUDGE.format("scheduler"), ASK, REPLAYED),
        *(f"{API}.STREAM.MSG.GET.{stream}" for stream in STREAMS.values()),  # dead letters, and what they speak of
        f"{API}.STREAM.MSG.DELETE.{STREAMS['dead']}",
    ),
    "scheduler": _OF_TESTS,
    "orchestrator": _OF_TESTS,
    "logstreamer": (*_OF_TESTS, "output.>"),
    "packager": ("package.>",),
}
_HEARS: Final[Mapping[str, Sequence[str]]] = {
    "gateway": ("*.*.*.*", *(f"{domain}.>" for domain in DOMAINS), REPORT, REPLAYED),
    "scheduler": (NUDGE.format("scheduler"),),
    "orchestrator": (),
    "logstreamer": (),
    "packager": (),
}


@dataclass(frozen=True, slots=True)
class Rights:
    """What a user may publish on and subscribe to."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def rights_of(service: str) -> Rights:
    """The subjects of a service.

    It may make streams and its own consumers where they are missing, and neither change nor delete any: while they are
    there, none can be made to deliver elsewhere. Answers come to an inbox that no other service hears."""
    streams = (f"{API}.STREAM.{act}.{stream}" for act in ("INFO", "CREATE") for stream in STREAMS.values())
    consumers = (subject for event in CONSUMES[service] for subject in _consuming(service, event))
    return Rights(
        publish=(f"{API}.INFO", *streams, *consumers, REPORT, *_TELLS[service]),
        subscribe=(f"{INBOX.format(service)}.>", ASK, *_HEARS[service]),
    )


def _consuming(service: str, event: str) -> tuple[str, ...]:
    stream, durable = STREAMS[event.split(".", maxsplit=1)[0]], durable_of(service, event)
    return (
        f"{API}.CONSUMER.INFO.{stream}.{durable}",
        f"{API}.CONSUMER.DURABLE.CREATE.{stream}.{durable}",
        f"{API}.CONSUMER.MSG.NEXT.{stream}.{durable}",
        f"$JS.ACK.{stream}.{durable}.>",
        f"dead.{durable}",
    )


def heard_by(user: str | None) -> tuple[str, ...]:
    """The subjects that a listener hears: all events, or those about the tests of one user."""
    if user:
        return tuple(f"{domain}.*.{user}.>" for domain in DOMAINS)
    return tuple(f"{domain}.>" for domain in (*DOMAINS, AUDIT))


def read_by(user: str | None) -> tuple[str, ...]:
    """The questions that a listener may ask: for a message of a stream by its number, or for the next one on a subject.

    What is asked for stands in the body, which permissions do not look at. So who hears one user's events only may not
    ask; that user's past is in the API."""
    return () if user else tuple(f"{API}.STREAM.MSG.GET.{stream}" for stream in READABLE)
