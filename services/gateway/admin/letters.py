"""Dead letters through the API: listed with reason and origin, and sent again."""

from __future__ import annotations

import json
import struct
from typing import Final, NoReturn

import structlog

from assay.v1 import admin_service_pb2 as pb
from services.gateway.caller import changed
from services.gateway.errors import InvalidRequest, NoSuchLetter, Violation, Violations
from services.gateway.metrics import DEAD_LETTERS, LETTERS_REPLAYED
from services.gateway.paging import ENTRIES, foreign, sealed, unsealed
from services.gateway.ports import Letters
from services.gateway.translate import timestamp
from shared.bus.dead import DeadLetter

log = structlog.get_logger()

LONGEST_PAYLOAD: Final = 16 << 10
LONGEST_TEXT: Final = LONGEST_PAYLOAD // 8
"""Characters of what is made a JSON string: one takes 6 bytes there at most."""
CUT: Final = " ... cut"
"""How a text ends that was longer."""
LONGEST_SERVICE: Final = 32
LETTERS_S: Final = 15.0
"""How often the metric is set without a call."""
_PLACE: Final = struct.Struct(">Q")


class LetterDesk:
    """ListDeadLetters and ReplayDeadLetter."""

    def __init__(self, letters: Letters) -> None:
        self._letters = letters

    async def page(self, request: pb.ListDeadLettersRequest) -> pb.ListDeadLettersResponse:
        """Newest first. Raises InvalidRequest."""
        violations = Violations()
        ENTRIES.check(request.page_size, violations)
        if len(request.service) > LONGEST_SERVICE or not request.service.isascii():
            violations.add("service", "must be the name of a service, such as scheduler")
        violations.raise_if_any()
        seal = f"letters\0{request.service}".encode()
        size = ENTRIES.of(request.page_size)
        found = await self._letters.page(_below(request.page_token, seal), size, service=request.service)
        return pb.ListDeadLettersResponse(
            letters=[_message(letter) for letter in found.letters],
            next_page_token=sealed(seal, _PLACE.pack(found.below)) if found.below else "",
            total_count=await self.look(),
        )

    async def replay(self, request: pb.ReplayDeadLetterRequest) -> pb.ReplayDeadLetterResponse:
        """One letter, or all. Raises InvalidRequest, NoSuchLetter, OriginGone and NotTaken.

        Of all letters those that cannot be sent stay and are named, and hold up no other."""
        if request.all:
            sent, stay, named = await self._letters.replay_all()
            answer = pb.ReplayDeadLetterResponse(
                replayed_count=sent,
                remaining_count=stay,
                remaining=[pb.RemainingDeadLetter(id=str(one.sequence), reason=one.why) for one in named],
            )
            changed("replayed", "", f"{sent}, {stay} stay")
            log.info("dead_letters_replayed", sent=sent, stay=stay)
        elif not request.letter_id:
            raise InvalidRequest([Violation("letter_id", "is empty; name a letter, or set `all`")])
        else:
            if not (request.letter_id.isascii() and request.letter_id.isdecimal() and len(request.letter_id) < 20):
                raise InvalidRequest([Violation("letter_id", "must be a number, as ListDeadLetters has it")])
            letter = await self._letters.one(int(request.letter_id))
            if letter is None:
                raise NoSuchLetter(request.letter_id)
            await self._letters.replay(letter)
            answer = pb.ReplayDeadLetterResponse(replayed_count=1)
            changed("replayed", "", letter.origin)
            log.info("dead_letter_replayed", letter=letter.sequence, origin=letter.origin)
        await self.look()
        return answer

    async def begin(self) -> None:
        """Counts what is sent again from now on, by whomever: `assay-admin` does it without a gateway."""
        await self._letters.when_replayed(LETTERS_REPLAYED.inc)

    async def look(self) -> int:
        """Counts the letters, for the answer and for the metric."""
        count = await self._letters.count()
        DEAD_LETTERS.set(count)
        return count


def _below(token: str, seal: bytes) -> int | None:
    place = unsealed(token, seal)
    if place is None:
        return None
    if len(place) != _PLACE.size:
        raise foreign()
    (below,) = _PLACE.unpack(place)
    return int(below)


def _message(letter: DeadLetter) -> pb.DeadLetter:
    return pb.DeadLetter(
        id=str(letter.sequence),
        subject=letter.origin,
        service=letter.service,
        reason=letter.reason,
        delivery_count=letter.deliveries,
        time=timestamp(letter.at),
        payload_json=_payload(letter.body),
    )


def _payload(body: bytes) -> str:
    """The body, where it is JSON and not too long; else a JSON string of its beginning, marked where it was cut."""
    try:
        json.loads(body.decode(), parse_constant=_refuse)
        if len(body) <= LONGEST_PAYLOAD:
            return body.decode()
    except (ValueError, RecursionError):
        pass
    text = body.decode(errors="replace")
    return json.dumps(text[:LONGEST_TEXT] + (CUT if len(text) > LONGEST_TEXT else ""), ensure_ascii=False)


def _refuse(constant: str) -> NoReturn:
    """NaN and Infinity, which only Python takes for JSON."""
    raise ValueError(constant)
