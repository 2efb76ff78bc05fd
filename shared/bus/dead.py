"""Dead letters: messages that a service could not handle, as they lie in the stream DEAD, and the way back for them.

Two sorts lie there: those that a service gave up, with origin and reason in headers, and the server's word on a message
that was delivered MAX_DELIVER times without an answer, which names the message and does not hold it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from nats.aio.msg import Msg
from nats.errors import BadHeaderError, BadSubjectError, Error, MaxPayloadError
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError, ServiceUnavailableError

from shared.bus.connect import Bus
from shared.bus.streams import ALL, DEAD, Stream, stream_of
from shared.bus.subjects import REPLAYED
from shared.errors import Conflict, NotFound, Unavailable
from shared.events.catalog import BY_TYPE
from shared.ids import USER_ID

MOST_LOOKED_AT: Final = 200
"""Sequence numbers that one page may look at: letters that were deleted leave holes."""
MOST_NAMED: Final = 10
"""So many of the letters that stay are named."""
LONGEST_HEADER: Final = 4096
"""Characters of a header that are shown. What we write ourselves is shorter, but anybody may write to DEAD."""
MOST_DELIVERIES: Final = 2**31 - 1
"""The API has 32 bits for it."""
NO_ANSWER: Final = "It was delivered {} times, and the service never answered: it died on it, or was too slow."
GONE: Final = " The message itself is not in its stream any more, so it cannot be sent again."
_ADVISORY: Final = "$JS."
_OURS: Final = "assay-"
_SERVERS: Final = "nats-"
_STREAMS: Final = frozenset(stream.name for stream in ALL)
_MOST_SEQUENCE: Final = 2**63 - 1
_REFUSALS: Final = (APIError, NoStreamResponseError, BadSubjectError, BadHeaderError, MaxPayloadError)
"""What NATS says of one message or one stream; anything else says that it is away."""


class OriginGone(NotFound):
    """There is nothing to send again: the message that the letter speaks of is not in its stream any more, or was sent
    to a subject that is none of ours."""

    def __init__(self) -> None:
        super().__init__(" ".join((type(self).__doc__ or "").split()))


class NotTaken(Conflict):
    """NATS answers, and does not take this message; others it may take. Trying again does not help."""


class Staying(NamedTuple):
    """A letter that could not be sent again, and why."""

    sequence: int
    why: str


class Replayed(NamedTuple):
    """What became of all letters: how many were sent and how many stay, with the first MOST_NAMED of those.

    One that somebody else sends at the same moment is counted there."""

    sent: int
    stay: int
    named: list[Staying]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up."""

    sequence: int
    """Its number in the stream DEAD."""
    origin: str
    """Subject that it was sent to; empty where nobody knows any more."""
    consumer: str
    """`<service>-<event>`"""
    reason: str
    deliveries: int
    at: datetime
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """Those of the message itself: trace and CloudEvents attributes."""

    @property
    def service(self) -> str:
        return self.consumer.partition("-")[0]

    @property
    def home(self) -> Stream | None:
        """The stream that it can be sent to again; None where its origin is not the subject of an event of ours, since
        anybody may write to DEAD."""
        kind, tokens = self.origin.split(".")[:2], self.origin.split(".")[2:]
        if ".".join(kind) not in BY_TYPE or len(tokens) != 2 or not all(map(USER_ID.fullmatch, tokens)):
            return None
        return stream_of(self.origin)


class Page(NamedTuple):
    """Some letters, newest first, and the number that the next page begins below; None where there are no more."""

    letters: list[DeadLetter]
    below: int | None


class DeadLetters:
    """The stream DEAD. Raises Unavailable where it cannot be reached."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def count(self) -> int:
        """How many letters there are."""
        with _reached():
            return int((await self._state()).messages)

    async def page(self, below: int | None, limit: int, *, service: str = "") -> Page:
        """At most `limit` letters below this number, of one service where given. May be short though there are more."""
        with _reached():
            return await self._page(below, limit, service)

    async def _page(self, below: int | None, limit: int, service: str) -> Page:
        state = await self._state()
        last = state.last_seq if below is None else min(below - 1, state.last_seq)
        first = max(state.first_seq, 1)
        letters: list[DeadLetter] = []
        for looked, sequence in enumerate(range(last, first - 1, -1)):
            if len(letters) == limit or looked == MOST_LOOKED_AT:
                return Page(letters, sequence + 1)
            letter = await self._one(sequence)
            if letter is not None and service in {"", letter.service}:
                letters.append(letter)
        return Page(letters, None)

    async def one(self, sequence: int) -> DeadLetter | None:
        """The letter with this number; None where there is none."""
        with _reached():
            return await self._one(sequence)

    async def _one(self, sequence: int) -> DeadLetter | None:
        found = await self._message(DEAD.name, sequence)
        if found is None:
            return None
        subject, headers = found.subject or "", _headers(found)
        at = found.time or datetime.now(UTC)
        if subject.startswith(_ADVISORY):
            return await self._advised(sequence, found.data or b"", at)
        return DeadLetter(
            sequence=sequence,
            origin=_shown(headers.get("assay-origin", "")),
            consumer=_shown(headers.get("assay-consumer", "")),
            reason=_shown(headers.get("assay-reason", "")),
            deliveries=_number(headers.get("assay-deliveries"), MOST_DELIVERIES),
            at=at,
            body=found.data or b"",
            headers=_own(headers),
        )

    async def replay(self, letter: DeadLetter) -> None:
        """Sends the message to where it was meant to go, and takes the letter away once the bus has it.

        Who dies in between leaves the letter: sent twice, a fact is handled once. Raises OriginGone where there is
        nothing to send, and NotTaken where NATS refuses it."""
        with _reached():
            await self._send(letter)

    async def _send(self, letter: DeadLetter) -> bool:
        """False where somebody else sent it at the same moment, which makes it no second message."""
        home = letter.home
        if home is None:
            raise OriginGone
        try:
            await self._jetstream.publish(
                letter.origin,
                letter.body,
                stream=home.name,
                # An id of its own: by the first one the server would take it for a repetition.
                headers={**letter.headers, "Nats-Msg-Id": f"replay.{letter.sequence}"},
            )
        except ServiceUnavailableError:  # it says so of itself, not of the message
            raise
        except _REFUSALS as error:
            raise NotTaken(f"NATS does not take it for {letter.origin} in the stream {home.name}: {error}") from error
        if not await self._take_away(letter.sequence):
            return False
        with contextlib.suppress(Error, OSError):  # a figure, no more
            await self._bus.client.publish(REPLAYED, b"")
        return True

    async def _take_away(self, sequence: int) -> bool:
        """False where it is gone already."""
        try:
            await self._jetstream.delete_msg(DEAD.name, sequence)
        except APIError:
            # Of a letter that is gone the server says 400 or 500, and 500 of much else: whether it is there decides.
            if await self._message(DEAD.name, sequence) is not None:
                raise
            return False
        return True

    async def when_replayed(self, count: Callable[[], None]) -> None:
        """Calls `count` for each letter that anybody sends again from now on; of all who ask for it, one is called."""

        async def replayed(_: Msg) -> None:
            count()

        await self._bus.client.subscribe(REPLAYED, queue=REPLAYED, cb=replayed)

    async def replay_all(self) -> Replayed:
        """Replays what there is now, oldest first. One that cannot be sent stays, and holds up no other."""
        with _reached():
            return await self._send_all()

    async def _send_all(self) -> Replayed:
        state = await self._state()
        sent, stay, named, sequence = 0, 0, list[Staying](), max(state.first_seq, 1)
        while sequence <= state.last_seq:
            found = await self._next(sequence)
            if found is None or found > state.last_seq:
                break
            letter = await self._one(found)
            try:
                if letter is not None and await self._send(letter):
                    sent += 1
            except (OriginGone, NotTaken) as error:
                stay += 1
                if len(named) < MOST_NAMED:
                    named.append(Staying(found, str(error)))
            sequence = found + 1
        return Replayed(sent, stay, named)

    async def _advised(self, sequence: int, body: bytes, at: datetime) -> DeadLetter:
        """What the server says of a message that nobody answered for."""
        said = _said(body)
        number = _number(said.get("deliveries"), MOST_DELIVERIES)
        original = await self._message(str(said.get("stream", "")), _number(said.get("stream_seq"), _MOST_SEQUENCE))
        if original is not None and original.time is not None and original.time > at:
            original = None  # the stream was made anew, and counts from 1 again: this is another message
        return DeadLetter(
            sequence=sequence,
            origin=(original.subject or "") if original else "",
            consumer=_shown(str(said.get("consumer", ""))),
            reason=NO_ANSWER.format(number) + ("" if original else GONE),
            deliveries=number,
            at=at,
            body=(original.data or b"") if original else body,
            headers=_own(_headers(original)) if original else {},
        )

    async def _message(self, stream: str, sequence: int) -> RawStreamMsg | None:
        if stream not in _STREAMS or sequence < 1:
            return None
        try:
            return await self._jetstream.get_msg(stream, sequence)
        except NotFoundError:
            return None

    async def _next(self, sequence: int) -> int | None:
        """The number of the first letter from this one on."""
        try:
            return (await self._jetstream.get_msg(DEAD.name, sequence, subject=">", next=True)).seq
        except NotFoundError:
            return None

    async def _state(self) -> Any:
        try:
            return (await self._jetstream.stream_info(DEAD.name)).state
        except NotFoundError as error:
            raise Unavailable(f"there is no stream {DEAD.name}; assay-admin provision makes it") from error

    @property
    def _jetstream(self) -> JetStreamContext:
        return self._bus.jetstream


@contextlib.contextmanager
def _reached() -> Iterator[None]:
    """NATS's own errors are no business of callers: it is away, or too slow."""
    try:
        yield
    except (Error, OSError) as error:
        raise Unavailable(f"NATS does not answer for the stream {DEAD.name}: {error!r}") from error


def _headers(message: RawStreamMsg) -> dict[str, str]:
    return {str(name): str(value) for name, value in (message.headers or {}).items()}


def _own(headers: Mapping[str, str]) -> dict[str, str]:
    """The message's own headers: neither ours about the letter, nor the server's about deliveries and ids."""
    return {name: value for name, value in headers.items() if not name.lower().startswith((_OURS, _SERVERS))}


def _said(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _shown(text: str) -> str:
    """Of any text one that can be stored and sent as UTF-8, and is not endless."""
    return text[:LONGEST_HEADER].encode(errors="replace").decode()


def _number(value: object, most: int) -> int:
    try:
        return min(max(int(str(value)), 0), most)
    except ValueError:
        return 0
