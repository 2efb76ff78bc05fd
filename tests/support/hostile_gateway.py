"""A server that speaks the API's protocol and says whatever a test puts into its mouth, right or wrong.

Built from the descriptors: it has every method of every service, without knowing what one means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2  # type: ignore[import-untyped]

from assay.v1 import (
    account_service_pb2,
    admin_service_pb2,
    package_service_pb2,
    queue_service_pb2,
    test_service_pb2,
)

FILES = (account_service_pb2, admin_service_pb2, package_service_pb2, queue_service_pb2, test_service_pb2)
METHODS: dict[str, Any] = {
    method.name: method
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
"""Descriptors of all methods by their names."""


@dataclass(frozen=True)
class Refusal:
    """An error in place of an answer. `details` are packed into a status; `trailer` goes as it is."""

    code: grpc.StatusCode
    message: str = "no"
    details: Sequence[Message] = ()
    trailer: bytes = b""


Said = Message | bytes | Refusal
Answer = Callable[[Any], Iterable[Said]]


@dataclass
class HostileGateway:
    """`answers` by method: from a request to what is said. Without one, an empty message of the right kind."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def say(self, method: str, *said: Said) -> None:
        """The same, whatever is asked."""
        self.answers[method] = lambda _request: said

    def count(self, method: str) -> int:
        return sum(name == method for name, _ in self.asked)


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in the stubs only
    def __init__(self, hostile: HostileGateway) -> None:
        self._hostile = hostile

    def service(self, handler_call_details: Any) -> Any:
        name = handler_call_details.method.rpartition("/")[2]
        method = METHODS.get(name)
        if method is None:
            return None
        how: dict[str, Any] = {
            "request_deserializer": GetMessageClass(method.input_type).FromString,
            "response_serializer": lambda said: said if isinstance(said, bytes) else said.SerializeToString(),
        }

        def said(request: Any, context: Any) -> Iterator[Any]:
            self._hostile.asked.append((name, request))
            if method.client_streaming:
                for _ in request:
                    pass
            given = self._hostile.answers.get(name, lambda _request: [GetMessageClass(method.output_type)()])
            for one in given(request):
                if isinstance(one, Refusal):
                    _refuse(context, one)
                yield one

        def single(request: Any, context: Any) -> Any:
            return next(said(request, context), b"")

        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(said, **how)
        if method.client_streaming:
            return grpc.stream_unary_rpc_method_handler(single, **how)
        return grpc.unary_unary_rpc_method_handler(single, **how)


def _refuse(context: Any, refusal: Refusal) -> None:
    trailer = refusal.trailer
    if refusal.details:
        status = status_pb2.Status(code=refusal.code.value[0], message=refusal.message)
        for detail in refusal.details:
            status.details.add().Pack(detail)
        trailer = status.SerializeToString()
    if trailer:
        context.set_trailing_metadata((("grpc-status-details-bin", trailer),))
    context.abort(refusal.code, refusal.message)


@contextmanager
def hostile_gateway(hostile: HostileGateway) -> Iterator[str]:
    """The address of a server that says what `hostile` has to say."""
    pool = ThreadPoolExecutor(8)
    server = grpc.server(pool, handlers=[_Handlers(hostile)], options=[("grpc.so_reuseport", 0)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
        pool.shutdown(wait=False, cancel_futures=True)
