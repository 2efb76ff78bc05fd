# ruff: noqa: N802 - methods are called as in the .proto
"""AccountService of the small server of fake_server.py: answers what a test puts in."""

from __future__ import annotations

from typing import Any

from assay.v1 import account_service_pb2 as pb
from assay.v1 import admin_service_pb2
from assay.v1.account_service_pb2_grpc import AccountServiceServicer
from tests.unit.client.fake_admin import DEFAULTS, SECOND, Enter, a_key


class FakeAccount(AccountServiceServicer):
    """The account of whoever calls."""

    def __init__(self, enter: Enter) -> None:
        self._enter = enter
        self.answer = pb.GetAccountResponse(
            user_id="alice",
            role=admin_service_pb2.ROLE_USER,
            key=a_key("key_1", name="laptop"),
            limits=DEFAULTS,
            submissions_left=3,
            pending=2,
            running=1,
            server_version="1.2.3",
        )
        self.answer.server_time.FromSeconds(SECOND)

    async def GetAccount(self, request: Any, context: Any) -> pb.GetAccountResponse:
        await self._enter("GetAccount", request, context)
        return self.answer
