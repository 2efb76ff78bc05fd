"""Reads the headers of a message so that none of them ends a connection. Must not know what is in a message.

nats-py 2.16 reads a status line (`NATS/1.0 503 words`) where an error ends the loop that reads from the server, without
a word: one message with a byte in it that is no UTF-8 makes a service deaf until its pings go unanswered, and again
each time the message is delivered.
"""

from __future__ import annotations

from typing import Final

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext

log = structlog.get_logger()
_DELIVERED: Final = "$JS.ACK."


def take_any_headers(client: Client) -> None:
    """From here on, headers that cannot be read are none: what the message says decides what becomes of it."""
    read = client._process_headers  # noqa: SLF001

    async def reading(headers: bytes) -> dict[str, str] | None:
        try:
            return await read(headers)
        except (ValueError, IndexError) as error:
            log.warning("message_headers_not_read", size=len(headers), error=repr(error)[:200])
            return None

    client._process_headers = reading  # type: ignore[method-assign]  # noqa: SLF001


def is_servers_word(message: Msg) -> bool:
    """Whether the server says something of a request here, such as that it has run out. What somebody published is
    never that, though it may begin as if it were: it waits for an answer."""
    return JetStreamContext.is_status_msg(message) is not None and not message.reply.startswith(_DELIVERED)
