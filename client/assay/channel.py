"""Channels to the server, with TLS, keep-alive and message limits set. Knows nothing of the API's services."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import grpc
import grpc.aio

from assay.connection import Connection
from assay.errors import NotConfigured

# A follower may wait long between two lines: pings notice a dead connection, and keep proxies from closing an idle one.
# The server must allow them (grpc.http2.min_ping_interval_without_data_ms <= 20 s).
OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),  # what in fact ends it; the former alone does not (gRPC core 1.85)
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    ("grpc.max_send_message_length", 16 * 1024 * 1024),
    ("grpc.compression_enabled_algorithms_bitset", 1),  # none: unpacked, a message has whatever size a server likes
    # gRPC's own first pause is 1 s: longer than a server of ours takes to restart.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)


def metadata(connection: Connection) -> tuple[tuple[str, str], ...]:
    """What goes with each call."""
    client = ("x-assay-client", f"python/{_version()} ({platform.system().lower()})")
    if not connection.api_key:
        return (client,)
    return (client, ("authorization", f"Bearer {connection.api_key}"))


def asyncio_channel(connection: Connection) -> grpc.aio.Channel:
    credentials = _credentials(connection)
    if credentials is None:
        return grpc.aio.insecure_channel(connection.address, options=OPTIONS)
    return grpc.aio.secure_channel(connection.address, credentials, options=OPTIONS)


def blocking_channel(connection: Connection) -> grpc.Channel:
    credentials = _credentials(connection)
    if credentials is None:
        return grpc.insecure_channel(connection.address, options=OPTIONS)
    return grpc.secure_channel(connection.address, credentials, options=OPTIONS)


def _credentials(connection: Connection) -> grpc.ChannelCredentials | None:
    """None for a plain connection. Raises NotConfigured for certificate files that cannot be read."""
    if not connection.tls:
        return None
    try:
        ca, key, cert = (
            Path(name).read_bytes() if name else None
            for name in (connection.ca_file, connection.key_file, connection.cert_file)
        )
    except OSError as error:
        raise NotConfigured(f"A TLS file cannot be read: {error}") from error
    return grpc.ssl_channel_credentials(root_certificates=ca, private_key=key, certificate_chain=cert)


def _version() -> str:
    try:
        return version("assay")
    except PackageNotFoundError:
        return "0"
