"""An event ready to be sent: what lies in an outbox and goes over the bus."""

from __future__ import annotations

from typing import NamedTuple

from shared.events.base import Event
from shared.ids import TestId


class Letter(NamedTuple):
    """An event on its way, as the outbox keeps it."""

    test_id: TestId
    id: str
    subject: str
    body: bytes
    headers: dict[str, str]

    @classmethod
    def of(cls, event: Event, traceparent: str | None, source: str | None = None) -> Letter:
        return cls(
            event.test_id,
            event.id,
            event.subject,
            event.model_dump_json().encode(),
            event.cloud_event_headers(traceparent, source),
        )
