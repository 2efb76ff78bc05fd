"""How the queue reads on a terminal: pure functions like those of text.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from assay.cli.table_text import columns
from assay.cli.text import Line, clock, plural, roughly, safe, span
from assay.queue import QueueEntry, QueueStatus


def status(queue: QueueStatus) -> Iterator[Line]:
    share = f"{queue.utilization * 100:.0f} %"
    yield [
        ("waiting ", "dim"),
        (f"{queue.pending:,}", "strong"),
        ("   running ", "dim"),
        (f"{queue.running:,}", "strong"),
        (f" of {plural(queue.capacity, 'slot')} ({share})", "dim"),
        (f"   yours: {queue.own_pending:,} waiting, {queue.own_running:,} running", "dim"),
    ]
    times = []
    if queue.average_wait is not None:
        times.append(f"average wait {span(queue.average_wait)}")
    if queue.oldest_pending_age is not None:
        times.append(f"oldest waits {span(queue.oldest_pending_age)}")
    if times:
        yield [(" · ".join(times), "dim")]
    if queue.paused:
        why = f": {safe(queue.pause_reason)}" if queue.pause_reason else ""
        yield [(f"paused{why}", "warn")]
    if (over := queue.running - queue.capacity) > 0:
        yield [(f"{plural(over, 'test')} above the capacity: running tests go on to their end", "dim")]


WATCH_TITLES: Line = [
    (f"{'TIME':<8}  {'WAITING':>8}  {'RUNNING':>8}  {'SLOTS':>6}  {'AVG WAIT':>11}  {'OLDEST':>11}", "dim")
]


def watched(queue: QueueStatus, now: datetime) -> Line:
    """One line of a watch, below WATCH_TITLES."""
    line: Line = [
        (clock(queue.time or now)[:8], "dim"),
        (f"  {queue.pending:>8,}  {queue.running:>8,}", "strong"),
        (f"  {queue.capacity:>6,}  {span(queue.average_wait):>11}  {span(queue.oldest_pending_age):>11}", ""),
    ]
    if queue.paused:
        why = f": {safe(queue.pause_reason)}" if queue.pause_reason else ""
        line.append((f"  paused{why}", "warn"))
    return line


def entries(found: Sequence[QueueEntry], now: datetime, width: int | None) -> Iterator[Line]:
    """What holds a slot and what waits, as rows."""
    if not found:
        yield [("nothing runs and nothing waits", "dim")]
        return
    rows = [
        (
            f"{one.position:,}" if one.position else one.state.value.lower(),
            one.test_id or "(another user's)",
            safe(one.user_id) or "-",
            f"{one.priority}",
            roughly(now - one.since) if one.since else "-",
            f"about {roughly(one.estimated_wait)}" if one.estimated_wait is not None else "-",
            safe(one.name) or "-",
        )
        for one in found
    ]
    titles = ("PLACE", "TEST", "USER", "PRIORITY", "FOR", "STARTS IN", "NAME")
    styles = [
        ("wait" if one.position else "work", "id" if one.test_id else "dim", "strong" if one.own else "dim", *4 * ("",))
        for one in found
    ]
    yield from columns(titles, rows, styles, width)
