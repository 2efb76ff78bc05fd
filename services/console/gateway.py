"""The connections to the gateway, and what goes with each call. Knows no method of the API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf.message import Message

from services.console.errors import Problem, problem_of
from services.console.settings import ConsoleSettings
from shared.errors import Unavailable

UNARY_S: Final = 30.0
_MIB: Final = 1 << 20
OPTIONS: Final = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),  # what in fact ends it; the former alone does not (gRPC core 1.85)
    ("grpc.http2.max_pings_without_data", 0),
    # The largest message that a gateway may be set to send is not known here; this is what its other clients take.
    ("grpc.max_receive_message_length", 16 * _MIB),
    ("grpc.max_send_message_length", 16 * _MIB),
    # gRPC's own first pause is 1 s: longer than a gateway takes to restart. And who is not there within 3 s is away.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 3_000),
    ("grpc.max_reconnect_backoff_ms", 3_000),
    ("grpc.use_local_subchannel_pool", 1),  # without it, channels to the same place share one connection
)
FEED_OPTIONS: Final = (
    # gRPC reads ahead what it takes a connection to hold, per stream: megabytes for each tab that does not read.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 1 << 16),
)


class Gateway:
    """The gateway, as the console sees it. Calls carry the bearer of whoever asks.

    `connect` makes a channel for feeds, with a connection of its own."""

    def __init__(
        self, channel: grpc.aio.Channel, files: grpc.aio.Channel, connect: Callable[[], grpc.aio.Channel]
    ) -> None:
        self.channel = channel
        self.connect = connect
        self.files = files
        """For files and logs: slow readers keep no call waiting."""
        self._client = f"console/{_version()}"

    def metadata(self, bearer: str) -> tuple[tuple[str, str], ...]:
        """What goes with each call of this bearer."""
        return (("authorization", f"Bearer {bearer}"), ("x-assay-client", self._client))

    async def ask(self, method: Any, request: Message, bearer: str, *, timeout_s: float = UNARY_S) -> Any:
        """The answer to a unary call, `method` being one of the channel. Raises Problem.

        Fails at once where the gateway is away: whoever sits before the page is told, and the page tries again."""
        try:
            return await method(request, metadata=self.metadata(bearer), timeout=timeout_s, wait_for_ready=False)
        except grpc.aio.AioRpcError as error:
            raise problem_of(error) from error
        except UnicodeEncodeError as error:
            raise Problem("UNAUTHENTICATED", "A key has letters, digits and signs of ASCII only.") from error


@asynccontextmanager
async def connected(settings: ConsoleSettings) -> AsyncIterator[Gateway]:
    """The gateway, connected to when it is first asked. Raises Unavailable for certificates that cannot be read."""
    channels = [_channel(settings), _channel(settings)]

    def connect() -> grpc.aio.Channel:
        channels.append(_channel(settings, *FEED_OPTIONS))
        return channels[-1]

    try:
        yield Gateway(channels[0], channels[1], connect)
    finally:
        for channel in channels:
            await channel.close(None)


def _channel(settings: ConsoleSettings, *more: tuple[str, int]) -> grpc.aio.Channel:
    options = (*OPTIONS, *more)
    if not settings.tls:
        return grpc.aio.insecure_channel(settings.console_gateway, options=options)
    try:
        credentials = grpc.ssl_channel_credentials(
            root_certificates=_read(settings.console_gateway_ca_file),
            private_key=_read(settings.console_gateway_key_file),
            certificate_chain=_read(settings.console_gateway_cert_file),
        )
    except OSError as error:
        raise Unavailable(f"a TLS file for the gateway cannot be read: {error}") from error
    return grpc.aio.secure_channel(settings.console_gateway, credentials, options=options)


def _read(path: Path | None) -> bytes | None:
    return path.read_bytes() if path else None


def _version() -> str:
    try:
        return version("assay")
    except PackageNotFoundError:
        return "0"
