"""Events as nobody publishes them: bodies and headers of every kind changed, decoded by themselves and taken up by a
service on a real nats-server. What is none is a dead letter with a reason, once; nothing comes again without end, and
the handlers go on."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from datetime import UTC
from typing import Any, Final, TypeVar

import bson
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.bus.connect import Bus
from shared.bus.streams import DEAD, TASKS, TESTS
from shared.bus.subjects import durable_of
from shared.domain.failure import FailureCode, Stage
from shared.events import catalog
from shared.events.base import Event
from shared.events.letter import Letter
from shared.events.tasks import TaskPhase, TaskStarted
from shared.events.tests import TestCancelRequested, TestRunning, TestScheduled
from shared.ids import new_test_id
from tests.support.fuzzing import WANTED, fuzzed, how, share
from tests.support.samples import ALICE, NOW
from tests.support.until import until
from tests.support.wild_json import wild_json

LINE: Final = {"seq": 1, "ts": 5.5, "stream": "stdout", "level": "info", "text": "a", "cont": False, "after": 0}
FIELDS: Final[dict[str, Any]] = {
    "test_id": "tst_" + "0" * 32,
    "user_id": "alice",
    "attempt": 1,
    "at": "2026-03-01T12:00:00Z",
    "priority": 4,
    "by": "root",
    "reason": "why",
    "rank": 1.5,
    "slot": 1,
    "runtime": "process",
    "run_ms": 2.5,
    "code": FailureCode.INTERNAL,
    "stage": next(iter(Stage)),
    "message": "no",
    "phase": "running",
    "files": [{"path": "a.txt", "size": 1, "sha256": "0" * 64}],
    "log_source": {"kind": "file", "path": "/nowhere"},
    "exit_code": 0,
    "stop_reason": "it ended",
    "lines": [LINE],
    "expected": 1,
    "received": 1,
    "complete": True,
    "truncated": False,
    "missing": [[1, 2]],
    "package_id": "pkg_" + "0" * 32,
    "generation": 1,
    "size_bytes": 1,
    "sha256": "0" * 64,
    "audit_id": "aud_" + "0" * 32,
    "action": "GetTest",
    "target_kind": "test",
    "changes": False,
    "target_id": "x",
    "owner": "bob",
    "key_id": "key_0",
    "peer": "127.0.0.1",
    "status": "OK",
}
"""What is valid, by the name of the field."""


def valid(kind: type[Event]) -> dict[str, Any]:
    return {name: FIELDS[name] for name in kind.model_fields}


Told = TypeVar("Told", bound=Event)
KINDS: Final = st.sampled_from(catalog.ALL)


@pytest.mark.parametrize("kind", catalog.ALL, ids=lambda kind: kind.type)
def test_there_is_a_valid_event_of_each_kind_to_begin_with(kind: type[Event]) -> None:
    assert kind.model_validate(valid(kind)).test_id == FIELDS["test_id"]


def decoded(kind: type[Event], body: bytes) -> Event | None:
    try:
        return kind.model_validate_json(body)
    except ValidationError:
        return None


@fuzzed(0.2)
@given(KINDS.flatmap(lambda kind: st.tuples(st.just(kind), wild_json(valid(kind)))))
def test_a_body_is_refused_for_good_or_is_an_event_that_can_be_kept_and_told_on(
    wild: tuple[type[Event], bytes],
) -> None:
    kind, body = wild
    event = decoded(kind, body)
    if event is None:
        return
    assert event.at.tzinfo is not None
    bson.encode({"attempt": event.attempt, "at": event.at, "id": event.id})
    letter = Letter.of(event, None)
    again = kind.model_validate_json(letter.body)
    if kind is TaskStarted:  # pydantic's JsonValue has infinities, and JSON has not; nobody tells this one on
        again = again.model_copy(update={"log_source": event.model_dump()["log_source"]})
    assert again == event


LISTENED: Final[tuple[type[Event], ...]] = (TestRunning, TestScheduled, TestCancelRequested, TaskStarted, TaskPhase)
HEADERS: Final = (
    *("Nats-Msg-Id", "ce-type", "ce-subject", "ce-id", "traceparent", "content-type", "correlation_id", "reply_to"),
    *("Content-Type", "Nats-Expected-Stream", "", " ", "x", "é", "a b", "\udcff", "assay-reason", "message_id"),
)
VALUES: Final = (
    *("", " ", "x", "text/plain", "application/json", "application/octet-stream", "TESTS", "é", "\udcff\udcfe", "a: b"),
    *("00-" + "0" * 32 + "-" + "0" * 16 + "-01", "0" * 4_000, "\x00", "\x7f", "null", "text/", "/", "{}", "$JS.ACK.x"),
)


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """A block of headers as a client writes it that checks nothing."""
    pairs = draw(st.lists(st.tuples(st.sampled_from(HEADERS), st.sampled_from(VALUES)), max_size=4))
    lines = "".join(f"{name}: {value}\r\n" for name, value in pairs).encode(errors="surrogateescape")
    odd = draw(st.sampled_from((b"", b"", b"", b"no colon\r\n", b": x\r\n", b" folded\r\n", b"a:b\rc:d\r\n", b"\r\n")))
    first = draw(
        st.sampled_from((b"NATS/1.0\r\n", b"NATS/1.0\r\n", b"NATS/1.0\r\n", b"NATS/1.0 503\r\n", b"NATS/1.0 100 X\r\n"))
    )
    return first + lines + odd + b"\r\n"


class Counted:
    """Handlers that count how often they were called."""

    def __init__(self) -> None:
        self.calls = 0

    def of(self, kind: type[Told]) -> Callable[[Told], Awaitable[None]]:
        async def heard(event: Told) -> None:
            self.calls += 1
            event.at.astimezone(UTC)

        heard.__annotations__["event"] = kind  # which is what a service's handler says
        return heard


async def publish_raw(bus: Bus, subject: str, head: bytes | None, body: bytes) -> None:
    if head is None:
        command = b"PUB %s %d\r\n%s\r\n" % (subject.encode(), len(body), body)
    else:
        command = b"HPUB %s %d %d\r\n%s%s\r\n" % (subject.encode(), len(head), len(head) + len(body), head, body)
    await bus.client._send_command(command)
    await bus.client.flush()


def wild_messages(count: int) -> list[tuple[type[Event], bytes | None, bytes]]:
    """So many of them, drawn by Hypothesis."""
    found: list[tuple[type[Event], bytes | None, bytes]] = [
        (TestRunning, b"NATS/1.0 100 \xff\r\n\r\n", b"{}"),
        (TestScheduled, b"NATS/1.0 503\r\n\r\n", b"{}"),
        (TaskStarted, None, b"[" * 200_000),
        (TaskPhase, None, b'{"attempt": %s}' % (b"9" * 5_000)),
        (TaskPhase, b"NATS/1.0\r\ncontent-type: text/plain\r\n\r\n", b'{"at": "2026-03-01T12:00:00"}'),
    ]
    message = st.sampled_from(LISTENED).flatmap(
        lambda kind: st.tuples(
            st.just(kind),
            st.one_of(st.none(), headers()),
            st.one_of(wild_json(valid(kind)), st.binary(max_size=20), st.just(b"\xff" * 900_000)),
        )
    )

    @seed(random.SystemRandom().getrandbits(64) if WANTED else 1)
    @settings(**{**how(count), "derandomize": False})
    @given(message)
    def draw(one: tuple[type[Event], bytes | None, bytes]) -> None:
        found.append(one)

    draw()
    return found


async def test_wild_messages_end_as_dead_letters_once_and_the_service_goes_on(fresh_nats_url: str) -> None:
    messages = wild_messages(share(0.002, slice_of=100))
    heard = Counted()
    bus = Bus(fresh_nats_url, service="here", retry_delays_s=(0.01,), watch_interval_s=0.5)
    for kind in LISTENED:
        bus.on(kind, heard.of(kind))

    async with bus.connected(), bus.consuming():

        async def settled() -> bool:
            for kind, stream in ((kind, TASKS if kind.type.startswith("task") else TESTS) for kind in LISTENED):
                info = await bus.jetstream.consumer_info(stream.name, durable_of("here", kind.type))
                assert not info.num_pending
                assert not info.num_ack_pending, (info.name, info.num_ack_pending)
            return True

        for number, (kind, head, body) in enumerate(messages):
            await publish_raw(bus, f"{kind.type}.alice.tst_{number}", head, body)
        await until(settled, timeout=20 + len(messages) / 50, what="every message has its end")
        kept = sum([(await bus.jetstream.stream_info(stream.name)).state.messages for stream in (TESTS, TASKS)])
        dead = (await bus.jetstream.stream_info(DEAD.name)).state
        tried = 0
        for number in range(dead.first_seq, dead.last_seq + 1 if dead.messages else dead.first_seq):
            letter = await bus.jetstream.get_msg(DEAD.name, number)
            assert letter.headers is not None
            assert letter.headers["assay-reason"]
            tried += int(letter.headers["assay-deliveries"])
        assert kept == dead.messages + heard.calls  # each is one or the other; what the server refused is neither
        assert tried == dead.messages  # none was tried again: it would have failed in the same way

        before = heard.calls
        event = TestRunning(test_id=new_test_id(), user_id=ALICE, attempt=1, at=NOW)
        letter_of = Letter.of(event, None)
        await bus.jetstream.publish(letter_of.subject, letter_of.body, headers=letter_of.headers)
        await until(lambda: heard.calls == before + 1)
