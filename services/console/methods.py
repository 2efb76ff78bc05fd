"""Which methods of the API a browser may call by name: the allow-list, checked against the descriptors.

A method that is added to proto/ and to this list is there; nothing else is to be done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from assay.v1 import account_service_pb2, admin_service_pb2, package_service_pb2, queue_service_pb2, test_service_pb2
from services.console.gateway import UNARY_S

WAITS_S: Final = UNARY_S + 15.0
"""For methods that wait by themselves, as long as they are asked to: at most 30 s."""

_FILES: Final = (account_service_pb2, admin_service_pb2, package_service_pb2, queue_service_pb2, test_service_pb2)
ALL: Final = ("*",)
"""Every unary method of a service."""

ALLOWED: Final[dict[str, tuple[str, ...]]] = {
    "AccountService": ("GetAccount",),
    "AdminService": ALL,
    "PackageService": ALL,
    "QueueService": ("GetQueueStatus", "ListQueue"),
    "TestService": (
        "SubmitTest",
        "GetTest",
        "ListTests",
        "GetLogs",
        "SearchLogs",
        "CancelTest",
        "RetryTest",
        "ArchiveTests",
        "GetRetryChain",
        "GetAgentStats",
        "ListAgents",
    ),
}


@dataclass(frozen=True, slots=True)
class Method:
    """One unary method: how it is called, and with what."""

    path: str
    request: type[Message]
    response: type[Message]
    timeout_s: float

    def on(self, channel: grpc.aio.Channel) -> Any:
        """To be called."""
        return channel.unary_unary(
            self.path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=self.response.FromString,
        )


def methods() -> dict[tuple[str, str], Method]:
    """By service and name. Raises LookupError where the list names what is no unary method of the API."""
    services: dict[str, ServiceDescriptor] = {}
    for file in _FILES:
        services |= file.DESCRIPTOR.services_by_name
    found = {}
    for service, names in ALLOWED.items():
        unary = {method.name: method for method in services[service].methods if not _streams(method)}
        for name in unary if names == ALL else names:
            found[service, name] = _method(service, unary[name])
    return found


def _method(service: str, descriptor: MethodDescriptor) -> Method:
    waits = "wait" in descriptor.input_type.fields_by_name
    return Method(
        path=f"/assay.v1.{service}/{descriptor.name}",
        request=GetMessageClass(descriptor.input_type),
        response=GetMessageClass(descriptor.output_type),
        timeout_s=WAITS_S if waits else UNARY_S,
    )


def _streams(method: MethodDescriptor) -> bool:
    return method.client_streaming or method.server_streaming
