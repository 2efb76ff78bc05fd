"""Dead letters on a real server: listed with origin and reason, sent again, by the API and by assay-admin."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from nats.js.errors import NotFoundError
from prometheus_client import REGISTRY

from assay.v1 import admin_service_pb2 as pb
from deploy.admin import main
from shared.bus.connect import Bus
from shared.bus.dead import (
    LONGEST_HEADER,
    MOST_DELIVERIES,
    MOST_LOOKED_AT,
    MOST_NAMED,
    DeadLetters,
    NotTaken,
    OriginGone,
    Replayed,
)
from shared.bus.streams import DEAD, PACKAGES, TESTS
from shared.errors import Unavailable
from shared.events.letter import Letter
from shared.events.tests import TestRunning
from shared.ids import new_test_id
from tests.support.gateway import details_of, staged, violations_of
from tests.support.samples import ALICE, NOW
from tests.support.servers import RunningServer
from tests.support.until import until

TRACE = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"


class Moody:
    """A handler that fails until it is told to work; keeps what it has handled."""

    def __init__(self) -> None:
        self.works = False
        self.handled: list[TestRunning] = []

    async def __call__(self, event: TestRunning) -> None:
        if not self.works:
            raise KeyError("city")
        self.handled.append(event)


@asynccontextmanager
async def service(url: str, handler: Moody, name: str = "here") -> AsyncIterator[Bus]:
    bus = Bus(url, service=name, retry_delays_s=(0.01,), watch_interval_s=0.2)

    async def on_test_running(event: TestRunning) -> None:
        await handler(event)

    bus.on(TestRunning, on_test_running)
    async with bus.connected(), bus.consuming():
        yield bus


async def tell(bus: Bus) -> TestRunning:
    event = TestRunning(test_id=new_test_id(), user_id=ALICE, attempt=1, at=NOW)
    letter = Letter.of(event, TRACE)
    await bus.jetstream.publish(letter.subject, letter.body, headers=letter.headers)
    return event


async def gave_up(letters: DeadLetters, count: int) -> None:
    async def so_many() -> bool:
        return await letters.count() == count

    await until(so_many)


async def test_a_message_that_failed_is_listed_with_its_origin_and_handled_when_it_is_sent_again(
    fresh_nats_url: str,
) -> None:
    moody = Moody()
    async with service(fresh_nats_url, moody) as bus:
        letters = DeadLetters(bus)
        event = await tell(bus)
        await gave_up(letters, 1)
        (letter,) = (await letters.page(None, 10)).letters
        assert (letter.origin, letter.consumer, letter.service) == (event.subject, "here-test-running", "here")
        assert (letter.reason, letter.deliveries) == ("KeyError: 'city'", 6)
        assert letter.headers["traceparent"] == TRACE
        assert letter.headers["ce-id"] == event.id
        moody.works = True
        await letters.replay(letter)
        await until(lambda: moody.handled == [event])
        assert await letters.count() == 0
        assert await letters.one(letter.sequence) is None


async def test_a_letter_that_fails_again_is_a_letter_again(fresh_nats_url: str) -> None:
    moody = Moody()
    async with service(fresh_nats_url, moody) as bus:
        letters = DeadLetters(bus)
        await tell(bus)
        await gave_up(letters, 1)
        (first,) = (await letters.page(None, 10)).letters
        await letters.replay(first)

        async def is_another() -> bool:
            found = (await letters.page(None, 10)).letters
            return [letter.sequence > first.sequence for letter in found] == [True]

        await until(is_another)


async def test_all_that_there_are_when_it_begins_are_sent_again(fresh_nats_url: str) -> None:
    moody = Moody()
    async with service(fresh_nats_url, moody) as bus:
        letters = DeadLetters(bus)
        events = [await tell(bus) for _ in range(5)]
        await gave_up(letters, 5)
        await bus.jetstream.delete_msg(DEAD.name, 2)  # a hole
        await gave_up(letters, 4)
        moody.works = True
        assert await letters.replay_all() == Replayed(4, 0, [])
        await until(lambda: len(moody.handled) == 4)
        assert {event.id for event in moody.handled} < {event.id for event in events}
        assert await letters.count() == 0
        assert await letters.replay_all() == Replayed(0, 0, [])


async def test_two_who_send_all_at_the_same_time_send_each_letter_once(fresh_nats_url: str) -> None:
    bus, count = Bus(fresh_nats_url, service="test"), 8
    async with bus.connected():
        for _ in range(count):
            await bus.jetstream.publish("dead.x", b"{}", headers={"assay-origin": f"test.running.alice.{TEST}"})
        both = await asyncio.gather(*(DeadLetters(bus).replay_all() for _ in range(2)))
        assert [(done.stay, done.named) for done in both] == [(0, []), (0, [])]
        assert sum(done.sent for done in both) == count
        assert await DeadLetters(bus).count() == 0
        assert (await bus.jetstream.stream_info(TESTS.name)).state.messages == count


async def test_a_letter_that_two_send_at_the_same_time_is_sent_once(fresh_nats_url: str) -> None:
    bus, told = Bus(fresh_nats_url, service="test"), list[int]()
    async with bus.connected():
        letters = DeadLetters(bus)
        await letters.when_replayed(lambda: told.append(1))
        await bus.jetstream.publish("dead.x", b"{}", headers={"assay-origin": f"test.running.alice.{TEST}"})
        letter = await letters.one(1)
        assert letter is not None
        await asyncio.gather(letters.replay(letter), letters.replay(letter))
        await letters.replay(letter)
        assert (await bus.jetstream.stream_info(TESTS.name)).state.messages == 1
        await until(lambda: bool(told))
        await bus.client.flush()
        assert told == [1]


async def test_a_letter_that_cannot_be_taken_away_is_an_error(fresh_nats_url: str) -> None:
    """It is no letter that somebody else took away."""
    bus = Bus(fresh_nats_url, service="test")
    async with bus.connected():
        letters = DeadLetters(bus)
        await bus.jetstream.publish("dead.x", b"{}", headers={"assay-origin": f"test.running.alice.{TEST}"})
        letter = await letters.one(1)
        assert letter is not None
        config = (await bus.jetstream.stream_info(DEAD.name)).config
        await bus.jetstream.update_stream(config, sealed=True)
        with pytest.raises(Unavailable):
            await letters.replay(letter)


async def test_a_service_that_never_answers_leaves_the_servers_word(fresh_nats_url: str) -> None:
    """As when it dies on the message each time."""
    async with service(fresh_nats_url, Moody()) as bus:
        letters = DeadLetters(bus)
        event = await tell(bus)
        await gave_up(letters, 1)
        ((sequence, subject),) = [(one.seq, one.subject) for one in [await bus.jetstream.get_msg(TESTS.name, 1)]]
        advisory = {"stream": "TESTS", "consumer": "here-test-running", "stream_seq": sequence, "deliveries": 6}
        where = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.TESTS.here-test-running"
        for number in (sequence, 999):
            await bus.client.publish(where, json.dumps(advisory | {"stream_seq": number}).encode())
        await gave_up(letters, 3)
        gone, advised, _ = (await letters.page(None, 10)).letters
        assert (advised.origin, advised.service, advised.deliveries) == (subject, "here", 6)
        assert advised.body == event.model_dump_json().encode()
        assert "never answered" in advised.reason
        assert gone.origin == ""
        assert "cannot be sent again" in gone.reason
        with pytest.raises(OriginGone):
            await letters.replay(gone)
        await letters.replay(advised)
        all_of_them = await letters.replay_all()
        assert all_of_them.sent >= 1
        assert [staying.sequence for staying in all_of_them.named] == [gone.sequence]
        assert await letters.one(gone.sequence) is not None  # nothing to send, so it stays to be seen


async def test_pages_go_by_service_and_look_at_a_bounded_number(fresh_nats_url: str) -> None:
    bus = Bus(fresh_nats_url, service="test")
    async with bus.connected():
        letters = DeadLetters(bus)
        for number in range(MOST_LOOKED_AT + 20):
            name = "rare" if number in {3, 5} else "often"
            headers = {"assay-origin": "test.running.a.b", "assay-consumer": f"{name}-test-running"}
            await bus.jetstream.publish(f"dead.{name}-test-running", b"{}", headers=headers)
        first = await letters.page(None, 10, service="rare")
        assert (first.letters, first.below is not None) == ([], True)
        second = await letters.page(first.below, 1, service="rare")
        assert [letter.sequence for letter in second.letters] == [6]
        third = await letters.page(second.below, 10, service="rare")
        assert ([letter.sequence for letter in third.letters], third.below) == ([4], None)
        newest = await letters.page(None, 3)
        assert [letter.sequence for letter in newest.letters] == [220, 219, 218]


async def test_a_bus_that_is_away_is_unavailable(nats_server: RunningServer) -> None:
    bus = Bus(nats_server.url, service="test")
    async with bus.connected():
        letters = DeadLetters(bus)
        assert await letters.count() == 0
        nats_server.kill()
        with pytest.raises(Unavailable, match="NATS does not answer"):
            await letters.page(None, 10)
        nats_server.start()


TEST = new_test_id()


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param(None, id="none"),
        pytest.param("elsewhere.x", id="not-ours"),
        pytest.param("dead.x", id="dead"),
        pytest.param("test", id="one-token"),
        pytest.param("test.", id="ends-with-a-dot"),
        pytest.param("test..x", id="empty-token"),
        pytest.param(f"test.running..{TEST}", id="no-user"),
        pytest.param("test.a b", id="space"),
        pytest.param(f"test.running.a b.{TEST}", id="space-in-an-event"),
        pytest.param("test.>", id="all"),
        pytest.param(f"test.running.*.{TEST}", id="wildcard"),
        pytest.param("test.running.alice.>", id="tail"),
        pytest.param(f"test.running.alice.{TEST}.more", id="too-long"),
        pytest.param(f"test.walking.alice.{TEST}", id="no-such-event"),
        pytest.param(f"test.running.alice\x1b[2J.{TEST}", id="control"),
        pytest.param(f"test.running.\u00e9.{TEST}", id="not-ascii"),
        pytest.param(f"test.running.{'u' * 65}.{TEST}", id="longer-than-a-user-id"),
    ],
)
async def test_what_anybody_has_written_there_stays_and_holds_up_nothing(
    fresh_nats_url: str, origin: str | None
) -> None:
    moody = Moody()
    async with service(fresh_nats_url, moody) as bus:
        letters = DeadLetters(bus)
        headers = {} if origin is None else {"assay-origin": origin}
        await bus.jetstream.publish("dead.x", b"hello", headers=headers)
        event = await tell(bus)
        await gave_up(letters, 2)
        moody.works = True
        sent, stay, named = await letters.replay_all()
        assert (sent, stay, [staying.sequence for staying in named]) == (1, 1, [1])
        assert "none of ours" in named[0].why
        await until(lambda: moody.handled == [event])
        (left,) = (await letters.page(None, 10)).letters
        assert (left.sequence, left.body) == (1, b"hello")
        with pytest.raises(OriginGone, match="none of ours"):
            await letters.replay(left)


async def test_a_letter_that_nats_does_not_take_stays_and_the_others_go(fresh_nats_url: str) -> None:
    bus = Bus(fresh_nats_url, service="test")
    async with bus.connected():
        letters = DeadLetters(bus)
        await bus.jetstream.delete_stream(PACKAGES.name)
        origin = ("assay-origin", f"test.running.alice.{TEST}")
        await bus.jetstream.publish("dead.x", b"{}", headers={"assay-origin": f"package.ready.alice.{TEST}"})
        await publish_as_it_is(bus, "dead.x", [origin, ("so(odd", "1")])
        await bus.jetstream.publish("dead.x", b"sent", headers=dict([origin]))
        sent, stay, named = await letters.replay_all()
        assert (sent, stay, [staying.sequence for staying in named]) == (1, 2, [1, 2])
        assert "in the stream PACKAGES" in named[0].why
        assert (await bus.jetstream.get_msg(TESTS.name, 1)).data == b"sent"
        letter = await letters.one(1)
        assert letter is not None
        with pytest.raises(NotTaken, match="in the stream PACKAGES"):
            await letters.replay(letter)
        assert await letters.count() == 2


async def test_of_many_that_stay_some_are_named(fresh_nats_url: str) -> None:
    bus = Bus(fresh_nats_url, service="test")
    async with bus.connected():
        for _ in range(MOST_NAMED + 2):
            await bus.jetstream.publish("dead.x", b"{}")
        sent, stay, named = await DeadLetters(bus).replay_all()
        assert (sent, stay) == (0, MOST_NAMED + 2)
        assert [staying.sequence for staying in named] == list(range(1, MOST_NAMED + 1))


async def test_a_bus_that_goes_away_meanwhile_is_unavailable(nats_server: RunningServer) -> None:
    bus = Bus(nats_server.url, service="test")
    async with bus.connected():
        letters = DeadLetters(bus)
        origin = {"assay-origin": f"test.running.alice.{TEST}"}
        await bus.jetstream.publish("dead.x", b"{}", headers=origin)
        (letter,) = (await letters.page(None, 10)).letters
        nats_server.kill()
        with pytest.raises(Unavailable, match="NATS does not answer") as error:
            await letters.replay(letter)
        assert not isinstance(error.value, NotTaken)
        nats_server.start()


async def test_whatever_anybody_has_written_there_is_listed(
    fresh_nats_url: str, mongo_url: str, mongo_database: str
) -> None:
    async with staged(fresh_nats_url, mongo_url, mongo_database) as stage:
        bus = Bus(fresh_nats_url, service="test")
        async with bus.connected():
            odd = {"assay-deliveries": "9" * 30, "assay-reason": "x" * 9999, "assay-consumer": "\udcff-\udcfe"}
            await publish_as_it_is(bus, "dead.x", list(odd.items()))
            where = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.TESTS.here-test-running"
            for advisory in (
                b"[" * 100_000,
                b"[]",
                b'{"stream": "TESTS", "stream_seq": 1%s, "deliveries": -1%s}' % (b"0" * 30, b"0" * 30),
                b'{"stream": "no such", "stream_seq": 1}',
                b'{"stream": "TESTS", "stream_seq": 1, "consumer": "\\ud800-x", "deliveries": 1e400}',
            ):
                await bus.client.publish(where, advisory)
            await gave_up(DeadLetters(bus), 6)
            root = await stage.client("root", role="admin")
            found = await root.call("ListDeadLetters", pb.ListDeadLettersRequest())
            assert [letter.id for letter in found.letters] == ["6", "5", "4", "3", "2", "1"]
            assert found.letters[-1].delivery_count == MOST_DELIVERIES
            assert len(found.letters[-1].reason) == LONGEST_HEADER
            assert (await DeadLetters(bus).replay_all()).stay == 6


async def publish_as_it_is(bus: Bus, subject: str, headers: list[tuple[str, str]]) -> None:
    """As a client writes it that checks nothing."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    head = b"NATS/1.0\r\n" + lines.encode(errors="surrogateescape") + b"\r\n"
    await bus.client._send_command(b"HPUB %s %d %d\r\n%s{}\r\n" % (subject.encode(), len(head), len(head) + 2, head))
    await bus.client.flush()


async def test_a_number_that_a_new_stream_gave_again_is_another_message(fresh_nats_url: str) -> None:
    async with service(fresh_nats_url, Moody()) as bus:
        advisory = {"stream": "TESTS", "consumer": "here-test-running", "stream_seq": 1, "deliveries": 6}
        where = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.TESTS.here-test-running"
        await bus.client.publish(where, json.dumps(advisory).encode())
        await gave_up(DeadLetters(bus), 1)
        await tell(bus)  # the first one of its stream
        letter = await DeadLetters(bus).one(1)
        assert letter is not None
        assert (letter.origin, "cannot be sent again" in letter.reason) == ("", True)


# -- through the API


async def test_an_admin_lists_letters_and_sends_them_again(
    fresh_nats_url: str, mongo_url: str, mongo_database: str
) -> None:
    moody = Moody()
    async with staged(fresh_nats_url, mongo_url, mongo_database) as stage, service(fresh_nats_url, moody) as bus:
        root, alice = await stage.client("root", role="admin"), await stage.client("alice")
        events = [await tell(bus) for _ in range(3)]
        await gave_up(DeadLetters(bus), 3)

        async def refused(method: str, request: Any, client: Any = root) -> grpc.aio.AioRpcError:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await client.call(method, request)
            return error.value

        page = await root.call("ListDeadLetters", pb.ListDeadLettersRequest(page_size=2))
        assert page.total_count == 3
        assert REGISTRY.get_sample_value("assay_gateway_dead_letters") == 3
        (letter, _) = page.letters
        assert letter.service == "here"
        assert (letter.reason, letter.delivery_count) == ("KeyError: 'city'", 6)
        assert json.loads(letter.payload_json)["user_id"] == "alice"
        rest = await root.call(
            "ListDeadLetters", pb.ListDeadLettersRequest(page_size=2, page_token=page.next_page_token)
        )
        assert len(rest.letters) == 1
        assert not rest.next_page_token
        assert not (await root.call("ListDeadLetters", pb.ListDeadLettersRequest(service="gateway"))).letters
        before = replayed()
        moody.works = True
        one = await root.call("ReplayDeadLetter", pb.ReplayDeadLetterRequest(letter_id=letter.id))
        others = await root.call("ReplayDeadLetter", pb.ReplayDeadLetterRequest(all=True))
        assert (one.replayed_count, others.replayed_count) == (1, 2)
        await until(lambda: {event.id for event in moody.handled} == {event.id for event in events})
        await until(lambda: replayed() == before + 3)

        again = await refused("ReplayDeadLetter", pb.ReplayDeadLetterRequest(letter_id=letter.id))
        assert again.code() is grpc.StatusCode.NOT_FOUND
        assert details_of(again)["ResourceInfo"].resource_type == "assay.v1.DeadLetter"
        for request in (pb.ReplayDeadLetterRequest(), pb.ReplayDeadLetterRequest(letter_id="-1")):
            assert "letter_id" in violations_of(await refused("ReplayDeadLetter", request))
        other = pb.ListDeadLettersRequest(page_token=page.next_page_token, service="here")
        assert "page_token" in violations_of(await refused("ListDeadLetters", other))
        bad = pb.ListDeadLettersRequest(page_size=-1, service="x" * 40)
        assert set(violations_of(await refused("ListDeadLetters", bad))) == {"page_size", "service"}
        denied = await refused("ListDeadLetters", pb.ListDeadLettersRequest(), alice)
        assert denied.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_an_admin_is_told_what_stays_and_why(fresh_nats_url: str, mongo_url: str, mongo_database: str) -> None:
    async with staged(fresh_nats_url, mongo_url, mongo_database) as stage:
        bus, root = Bus(fresh_nats_url, service="test"), await stage.client("root", role="admin")
        async with bus.connected():
            origin = ("assay-origin", f"test.running.alice.{TEST}")
            await publish_as_it_is(bus, "dead.x", [origin, ("so(odd", "1")])
            await bus.jetstream.publish("dead.x", b"{}", headers=dict([origin]))
            for _ in range(MOST_NAMED):
                await bus.jetstream.publish("dead.x", b"{}")
            done = await root.call("ReplayDeadLetter", pb.ReplayDeadLetterRequest(all=True))
            assert (done.replayed_count, done.remaining_count) == (1, MOST_NAMED + 1)
            assert [letter.id for letter in done.remaining] == ["1", *map(str, range(3, MOST_NAMED + 2))]
            assert "NATS does not take it" in done.remaining[0].reason
            assert "nothing to send again" in done.remaining[1].reason
            with pytest.raises(grpc.aio.AioRpcError, match="NATS does not take it") as error:
                await root.call("ReplayDeadLetter", pb.ReplayDeadLetterRequest(letter_id="1"))
            assert error.value.code() is grpc.StatusCode.FAILED_PRECONDITION  # which no client repeats
            assert "RetryInfo" not in details_of(error.value)


async def test_what_anybody_sends_again_is_counted_by_one_gateway(
    fresh_nats_url: str, mongo_url: str, mongo_database: str
) -> None:
    moody = Moody()
    async with (
        staged(fresh_nats_url, mongo_url, mongo_database),
        staged(fresh_nats_url, mongo_url, mongo_database),
        service(fresh_nats_url, moody) as bus,
    ):
        for _ in range(3):
            await tell(bus)
        await gave_up(DeadLetters(bus), 3)
        moody.works, before = True, replayed()
        assert (await admin(fresh_nats_url, "replay", "--all")).stdout == "3 sent again\n"
        await until(lambda: replayed() == before + 3)
        await bus.client.flush()
        assert replayed() == before + 3


def replayed() -> float:
    return REGISTRY.get_sample_value("assay_gateway_dead_letters_replayed_total") or 0.0


# -- by the operator's command


async def admin(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ASSAY_NATS_URL": url}
    command = [sys.executable, "-m", "deploy.admin", "dead", *words]
    return await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


async def test_the_operator_lists_letters_and_sends_them_again(fresh_nats_url: str) -> None:
    moody = Moody()
    async with service(fresh_nats_url, moody) as bus:
        event = await tell(bus)
        await gave_up(DeadLetters(bus), 1)
        shown = await admin(fresh_nats_url, "list")
        assert shown.returncode == 0, shown.stderr
        for word in ("here-test-running", event.subject, "KeyError: 'city'", "1 dead letter in all"):
            assert word in shown.stdout
        (line,) = (await admin(fresh_nats_url, "list", "--json")).stdout.splitlines()
        assert json.loads(line)["number"] == 1
        for words, code, said in (
            ((), 2, "name one letter, or give --all"),
            (("7",), 1, "there is no dead letter 7"),
            (("nonsense",), 2, "NUMBER"),
        ):
            refused = await admin(fresh_nats_url, "replay", *words)
            assert (refused.returncode, said in refused.stderr) == (code, True), refused.stderr
        moody.works = True
        done = await admin(fresh_nats_url, "replay", "1")
        assert (done.returncode, done.stdout) == (0, f"1 was sent to {event.subject} again\n")
        await until(lambda: moody.handled == [event])
        nothing = await admin(fresh_nats_url, "replay", "--all")
        assert (nothing.returncode, nothing.stdout) == (0, "0 sent again\n")


async def test_the_operator_is_told_what_stays(fresh_nats_url: str) -> None:
    moody = Moody()
    async with service(fresh_nats_url, moody) as bus:
        letters = DeadLetters(bus)
        for _ in range(MOST_NAMED + 1):
            await bus.jetstream.publish("dead.x", b"hello", headers={"assay-origin": "test.a b"})
        await tell(bus)
        await gave_up(letters, MOST_NAMED + 2)
        moody.works = True
        done = await admin(fresh_nats_url, "replay", "--all")
        lines = done.stdout.splitlines()
        assert (done.returncode, lines[0]) == (1, f"1 sent again, {MOST_NAMED + 1} stay:")
        assert lines[1].startswith("    1  There is nothing to send again")
        assert (len(lines), lines[-1]) == (MOST_NAMED + 2, "    ...")
        for number in range(2, MOST_NAMED + 2):
            await bus.jetstream.delete_msg(DEAD.name, number)
        assert (await admin(fresh_nats_url, "replay", "--all")).stdout.startswith(
            "0 sent again, 1 stays:\n    1  There"
        )


async def test_a_letter_does_not_steer_the_operators_terminal(fresh_nats_url: str) -> None:
    bus, evil = Bus(fresh_nats_url, service="test"), "\x1b]0;mine\x07\x1b[2Jx\u202e\x9b1m\x7f"
    async with bus.connected():
        headers = {"assay-origin": evil, "assay-consumer": evil, "assay-reason": evil, "other": evil}
        await bus.jetstream.publish("dead.x", evil.encode(), headers=headers)
        shown = await admin(fresh_nats_url, "list")
        assert shown.returncode == 0, shown.stderr
        assert shown.stdout.count("\\x1b]0;mine\\x07\\x1b[2Jx") == 4
        every = [shown, *[await admin(fresh_nats_url, *words) for words in (("replay", "1"), ("replay", "--all"))]]
        for said in every:
            assert all(line.isprintable() for line in (said.stdout + said.stderr).splitlines()), said


async def test_an_error_does_not_steer_the_operators_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise Unavailable("not \x1b[2J\nhere")

    monkeypatch.setattr("deploy.admin.app", fails)
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err == "assay-admin: not \\x1b[2J\\nhere\n"


async def test_the_operators_command_leaves_streams_as_they_are(fresh_nats_url: str) -> None:
    """Where it is run, nobody may have said how many copies of a stream there are to be."""
    bus = Bus(fresh_nats_url, service="test")
    async with bus.connected():
        await bus.jetstream.delete_stream(PACKAGES.name)
        shown = await admin(fresh_nats_url, "list")
        assert (shown.returncode, shown.stdout) == (0, "0 dead letters in all\n"), shown.stderr
        with pytest.raises(NotFoundError):
            await bus.jetstream.stream_info(PACKAGES.name)
