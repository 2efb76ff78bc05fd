"""Dead letters as the API shows them: what the text of a message is, whatever somebody has written there."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from assay.v1 import admin_service_pb2 as pb
from services.gateway.admin.letters import CUT, LONGEST_PAYLOAD, LONGEST_TEXT, LetterDesk
from shared.bus.dead import DeadLetter, Page, Replayed


class OneLetter:
    """A dead letter with this body, and no other."""

    def __init__(self, body: bytes) -> None:
        at = datetime(2026, 1, 1, tzinfo=UTC)
        self._letter = DeadLetter(1, "test.running.a.b", "here-test-running", "KeyError: 'city'", 6, at, body)

    async def count(self) -> int:
        return 1

    async def page(self, below: int | None, limit: int, *, service: str = "") -> Page:
        return Page([self._letter], None)

    async def one(self, sequence: int) -> DeadLetter | None:
        return self._letter

    async def replay(self, letter: DeadLetter) -> None:
        """As if it were sent."""

    async def replay_all(self) -> Replayed:
        return Replayed(0, 0, [])

    async def when_replayed(self, count: Callable[[], None]) -> None:
        """Nobody sends."""


def refuse(constant: str) -> None:
    raise ValueError(constant)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        pytest.param(b'{"a": 1}', {"a": 1}, id="json"),
        pytest.param(b'"%s"' % (b"x" * (LONGEST_PAYLOAD - 2)), "x" * (LONGEST_PAYLOAD - 2), id="as-long-as-may-be"),
        pytest.param(
            b'"%s"' % (b"x" * (LONGEST_PAYLOAD - 1)), '"' + "x" * (LONGEST_TEXT - 1) + CUT, id="json-that-is-longer"
        ),
        pytest.param(b"[1, 2", "[1, 2", id="no-json"),
        pytest.param(b"x" * LONGEST_TEXT, "x" * LONGEST_TEXT, id="no-json-that-fits"),
        pytest.param(b"x" * (LONGEST_TEXT + 1), "x" * LONGEST_TEXT + CUT, id="no-json-that-is-longer"),
        pytest.param(b"NaN", "NaN", id="not-a-number"),
        pytest.param(b'{"a": [-Infinity]}', '{"a": [-Infinity]}', id="infinity-inside"),
        pytest.param(b'"\xff"', '"\ufffd"', id="no-utf-8"),
        pytest.param(b'"%s"' % (b"\xff" * 9999), '"' + "\ufffd" * (LONGEST_TEXT - 1) + CUT, id="much-that-is-no-utf-8"),
        pytest.param(b"[" * 9999, "[" * LONGEST_TEXT + CUT, id="too-deep"),
    ],
)
async def test_a_message_is_json_or_a_string_that_says_where_it_was_cut(body: bytes, shown: object) -> None:
    (letter,) = (await LetterDesk(OneLetter(body)).page(pb.ListDeadLettersRequest())).letters
    assert json.loads(letter.payload_json, parse_constant=refuse) == shown
    assert len(letter.payload_json.encode()) <= LONGEST_PAYLOAD
