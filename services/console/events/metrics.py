"""What the event streams count."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

TABS: Final = Gauge("assay_console_tabs", "Tabs with an open event stream now")
TABS_REFUSED: Final = Counter("assay_console_tabs_refused_total", "Event streams refused because too many were open")
TABS_STALLED: Final = Counter(
    "assay_console_tabs_stalled_total", "Event streams whose tab took nothing: their feeds end"
)
FEEDS: Final = Gauge("assay_console_feeds", "Feeds followed at the gateway now", ["kind"])
EVENTS: Final = Counter("assay_console_events_total", "Events sent to tabs", ["kind"])
EVENT_BYTES: Final = Counter("assay_console_event_bytes_total", "Bytes of events sent to tabs")
REOPENED: Final = Counter("assay_console_feeds_reopened_total", "How often a feed was taken up again after it was lost")
