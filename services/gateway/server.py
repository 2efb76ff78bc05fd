"""The gRPC server: its limits, its certificates, its services. Knows nothing of what they do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from assay.v1 import (
    account_service_pb2,
    admin_service_pb2,
    package_service_pb2,
    queue_service_pb2,
    test_service_pb2,
)
from assay.v1.account_service_pb2_grpc import add_AccountServiceServicer_to_server
from assay.v1.admin_service_pb2_grpc import add_AdminServiceServicer_to_server
from assay.v1.package_service_pb2_grpc import add_PackageServiceServicer_to_server
from assay.v1.queue_service_pb2_grpc import add_QueueServiceServicer_to_server
from assay.v1.test_service_pb2_grpc import add_TestServiceServicer_to_server
from services.gateway.interceptors import Interceptor
from services.gateway.rpc.account import AccountRpc
from services.gateway.rpc.admin import AdminRpc
from services.gateway.rpc.health import HealthRpc
from services.gateway.rpc.packages import PackageRpc
from services.gateway.rpc.queue import QueueRpc
from services.gateway.rpc.tests import TestRpc
from services.gateway.settings import GatewaySettings
from shared.descriptors import open_files, room_for
from shared.errors import Unavailable

SERVICES: Final = tuple(
    module.DESCRIPTOR.services_by_name[name].full_name
    for module, name in (
        (test_service_pb2, "TestService"),
        (queue_service_pb2, "QueueService"),
        (package_service_pb2, "PackageService"),
        (account_service_pb2, "AccountService"),
        (admin_service_pb2, "AdminService"),
    )
)


def build(
    settings: GatewaySettings,
    interceptors: Sequence[Interceptor],
    *,
    tests: TestRpc,
    queue: QueueRpc,
    packages: PackageRpc,
    account: AccountRpc,
    admin: AdminRpc,
    health: HealthRpc,
) -> grpc.aio.Server:
    """The server with everything registered, not yet listening."""
    server = grpc.aio.server(
        interceptors=interceptors,
        options=_options(settings),
        # No maximum_concurrent_rpcs: it counts who has no key, too, and so locks out who has (entrance.py).
    )
    add_TestServiceServicer_to_server(tests, server)
    add_QueueServiceServicer_to_server(queue, server)
    add_PackageServiceServicer_to_server(packages, server)
    add_AccountServiceServicer_to_server(account, server)
    add_AdminServiceServicer_to_server(admin, server)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    if settings.gateway_reflection:
        reflection.enable_server_reflection(
            (*SERVICES, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME), server
        )
    return server


def listen(server: grpc.aio.Server, settings: GatewaySettings) -> int:
    """Opens the port and returns its number. Raises Unavailable where it is taken or a certificate cannot be read."""
    address = f"{settings.gateway_host}:{settings.gateway_port}"
    try:
        if settings.gateway_socket:
            server.add_insecure_port(f"unix:{settings.gateway_socket}")
        credentials = _credentials(settings)
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except (RuntimeError, OSError) as error:
        raise Unavailable(f"the gateway cannot listen on {address}: {error}") from error


def _options(settings: GatewaySettings) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", settings.gateway_max_message_bytes),
        ("grpc.max_send_message_length", settings.gateway_max_message_bytes),
        ("grpc.max_concurrent_streams", settings.gateway_max_streams),
        ("grpc.max_allowed_incoming_connections", room_for(settings.gateway_max_connections, open_files())),
        # Who connects and says nothing, or half of it. gRPC's own 120 s let one machine hold thousands.
        ("grpc.server_handshake_timeout_ms", round(settings.gateway_handshake_s * 1000)),
        ("grpc.http2.settings_timeout", round(settings.gateway_handshake_s * 1000)),
        ("grpc.max_connection_idle_ms", round(settings.gateway_idle_s * 1000)),
        ("grpc.keepalive_time_ms", round(settings.gateway_keepalive_s * 1000)),
        # Of the two it is the second that ends a connection whose peer has gone (C-core 1.85, tried); 60 s by itself.
        ("grpc.keepalive_timeout_ms", round(settings.gateway_ping_answer_s * 1000)),
        ("grpc.http2.ping_timeout_ms", round(settings.gateway_ping_answer_s * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", round(settings.gateway_min_ping_s * 1000)),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", round(settings.gateway_min_ping_s * 1000)),
        # gRPC reads ahead what it takes a connection to hold, megabytes a call, also of calls that are refused.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", 1 << 16),
        # Only messages as they are: some KiB of gzip would make anybody's health check one of 4 MiB, and older versions
        # of gRPC look at the size before it is unpacked only. No client of ours compresses.
        ("grpc.compression_enabled_algorithms_bitset", 1),
        ("grpc.so_reuseport", 0),  # a port that is taken is an error, not a second server behind the same address
    ]


def _credentials(settings: GatewaySettings) -> grpc.ServerCredentials | None:
    if settings.gateway_tls_cert_file is None or settings.gateway_tls_key_file is None:
        return None
    authority = settings.gateway_tls_client_ca_file
    return grpc.ssl_server_credentials(
        [(_read(settings.gateway_tls_key_file), _read(settings.gateway_tls_cert_file))],
        root_certificates=_read(authority) if authority else None,
        require_client_auth=authority is not None,
    )


def _read(path: Path) -> bytes:
    return path.read_bytes()
