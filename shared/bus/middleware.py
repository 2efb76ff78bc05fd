"""What happens around every handler: ids into the log context, success into an ack, an error into a bounded retry or
a dead letter.

The one translation table from errors to the bus: retryable errors come again later, malformed messages and exhausted
ones become dead letters. Nothing is redelivered without end, nothing is dropped without a trace.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from faststream import BaseMiddleware
from faststream.nats.message import NatsMessage
from pydantic import ValidationError

from shared.bus.streams import DEAD, MAX_DELIVER, RETRY_DELAYS_S
from shared.errors import Malformed
from shared.telemetry.logging import bound
from shared.telemetry.metrics import EVENTS_HANDLED
from shared.telemetry.tracing import enter

log = structlog.get_logger()

PublishDead = Callable[[str, bytes, dict[str, str]], Awaitable[None]]


def _is_servers(header: str) -> bool:
    return header.lower().startswith("nats-")


async def decoded(message: NatsMessage) -> Any:
    """What the body says, which is JSON whatever the headers call it. Raises Malformed."""
    try:
        return json.loads(message.body)
    except (ValueError, RecursionError) as error:  # bad bytes, numbers of too many digits, too deep a nesting
        raise Malformed(f"The event is not JSON that can be read: {error}"[:500]) from error


def is_hopeless(error: BaseException) -> bool:
    """Whether the same message would fail in the same way for ever."""
    return isinstance(error, ValidationError | Malformed | json.JSONDecodeError | UnicodeDecodeError)


def retry_delay_s(deliveries: int, delays_s: Sequence[float] = RETRY_DELAYS_S) -> float | None:
    """Seconds until the next try after `deliveries` failed ones; None where it is time to give up."""
    return None if deliveries >= MAX_DELIVER else delays_s[min(deliveries, len(delays_s)) - 1]


def deliveries(message: NatsMessage) -> int:
    """How often the server has delivered this message, this time included."""
    return message.raw_message.metadata.num_delivered or 1


def settle_with(
    publish_dead: PublishDead,
    taken_up: Callable[[float], None],
    delays_s: Sequence[float] = RETRY_DELAYS_S,
) -> type[BaseMiddleware[Any, Any]]:
    """The middleware, with the way to a dead letter, who hears how long each message had waited in its stream (in
    seconds), and the waits between tries."""

    class Settle(BaseMiddleware[Any, Any]):
        async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: Any) -> Any:
            message: NatsMessage = msg
            metadata = message.raw_message.metadata
            consumer, headers = metadata.consumer, message.headers
            taken_up((datetime.now(UTC) - metadata.timestamp).total_seconds())
            enter(headers.get("traceparent", ""))
            with bound(test_id=headers.get("ce-subject"), traceparent=headers.get("traceparent")):
                try:
                    result = await call_next(message)
                except Exception as error:  # noqa: BLE001 - the edge: every error gets a verdict here
                    await self._refuse(message, consumer, error)
                    return None
                await message.ack()
                EVENTS_HANDLED.labels(consumer, "done").inc()
                return result

        async def _refuse(self, message: NatsMessage, consumer: str, error: Exception) -> None:
            tries = deliveries(message)
            delay = None if is_hopeless(error) else retry_delay_s(tries, delays_s)
            if delay is not None:
                log.warning("event_will_be_retried", consumer=consumer, tries=tries, delay_s=delay, error=repr(error))
                await message.nack(delay=delay)
                EVENTS_HANDLED.labels(consumer, "retried").inc()
                return
            log.error("event_is_dead", consumer=consumer, tries=tries, exc_info=error)
            raw = message.raw_message
            reason = f"{type(error).__name__}: {error}"[:1024].replace("\n", " ")
            await publish_dead(
                f"dead.{consumer}",
                raw.data,
                {
                    # Trace and CloudEvents attributes stay with it: a replay is the whole event.
                    **{name: str(value) for name, value in (raw.headers or {}).items() if not _is_servers(name)},
                    "Nats-Msg-Id": f"dead.{consumer}.{raw.metadata.stream}.{raw.metadata.sequence.stream}",
                    "assay-origin": raw.subject,
                    "assay-consumer": consumer,
                    "assay-deliveries": str(tries),
                    "assay-reason": reason.encode("ascii", "backslashreplace").decode(),
                },
            )
            await message.reject()
            EVENTS_HANDLED.labels(consumer, "dead").inc()

    assert DEAD.subjects[0] == "dead.>"
    return Settle
