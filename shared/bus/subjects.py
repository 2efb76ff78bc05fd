"""Names on the bus that are no events: subjects of plain NATS, inboxes, consumers. Imports nothing, on purpose: what
starts servers reads it, and does so before the rest is loaded.
"""

from __future__ import annotations

from typing import Final

NUDGE: Final = "wake.{}"
"""Subject of a nudge, by the name of the service. No stream keeps it."""
INBOX: Final = "_INBOX_{}"
"""Prefix of the subjects that answers come to, by the name of the service: each may hear its own only."""
REPORT: Final = "health.report"
"""Subject of the reports of how replicas are."""
ASK: Final = "health.ask"
"""Who publishes here gets a report of everybody at once."""
REPLAYED: Final = "count.replay"
"""Subject on which whoever sends a letter again says so, once for each. No event, and no stream keeps it."""


def durable_of(service: str, event: str) -> str:
    """The name of the consumer by which a service hears one event."""
    return f"{service}-{event.replace('.', '-')}"
