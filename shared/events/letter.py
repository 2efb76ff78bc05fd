"""An event ready to be sent: what lies in an outbox and goes over the bus."""

from __future__ import annotations

from typing import NamedTuple

from shared.events.base import Event


class Letter(NamedTuple):
    """An event on its way, as the outbox keeps it."""

    holder: str
    """Id of the document in whose outbox it lies."""
    id: str
    subject: str
    body: bytes
    headers: dict[str, str]

    @classmethod
    def of(
        cls, event: Event, traceparent: str | None, source: str | None = None, *, holder: str | None = None
    ) -> Letter:
        """The event as its test's document keeps it, or that of `holder`."""
        return cls(
            holder or event.test_id,
            event.id,
            event.subject,
            event.model_dump_json().encode(),
            event.cloud_event_headers(traceparent, source),
        )
