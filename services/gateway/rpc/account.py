# ruff: noqa: N802, ARG002 - names and arguments are the API's
"""assay.v1.AccountService."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.v1 import account_service_pb2 as pb
from assay.v1.account_service_pb2_grpc import AccountServiceServicer
from services.gateway.account import Accounts
from services.gateway.caller import CALL

if TYPE_CHECKING:
    from services.gateway.visits import Context


class AccountRpc(AccountServiceServicer):
    """The caller's own account: for everybody with a key or token that works."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def GetAccount(self, request: pb.GetAccountRequest, context: Context) -> pb.GetAccountResponse:
        return await self._accounts.of(CALL.get().caller)
