"""The outbox that documents of a collection have: the events of a write lie in the document that it changed.

The store's side of `bus.relay`. Who writes puts `entry(...)` into the document's `outbox`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pymongo import UpdateOne

from shared.events.letter import Letter
from shared.store.connect import Database, quick
from shared.store.documents import Document


def entry(letter: Letter, at: datetime) -> Document:
    """The event as the outbox keeps it."""
    return {
        "id": letter.id,
        "at": at,
        "subject": letter.subject,
        "body": letter.body.decode(),
        "headers": letter.headers,
    }


class Outbox:
    """The outboxes of one collection."""

    def __init__(self, database: Database, collection: str) -> None:
        self._collection = database[collection]
        self._quick = quick(database, collection)

    async def clear(self, sent: Sequence[tuple[str, str]]) -> None:
        """Removes published events from their documents, one write per document, one round trip in all."""
        of_document: dict[str, list[str]] = {}
        for holder, event_id in sent:
            of_document.setdefault(holder, []).append(event_id)
        await self._quick.bulk_write(
            [UpdateOne({"_id": one}, {"$pull": {"outbox": {"id": {"$in": ids}}}}) for one, ids in of_document.items()],
            ordered=False,
        )

    async def unsent(self, before: datetime, limit: int) -> list[Letter]:
        """Events that were written before `before` and are still there."""
        letters: list[Letter] = []
        async for found in self._collection.find({"outbox.at": {"$lt": before}}, {"outbox": 1}).limit(limit):
            letters += [
                Letter(found["_id"], one["id"], one["subject"], one["body"].encode(), one["headers"])
                for one in found["outbox"]
                if one["at"] < before
            ]
        return letters
