"""Who a bearer is, as the gateway says, and the session that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from assay.v1 import account_service_pb2, account_service_pb2_grpc
from services.console.gateway import Gateway
from services.console.signin.session import Session

Account = account_service_pb2.GetAccountResponse


class Accounts:
    """Asks the gateway who somebody is."""

    def __init__(self, gateway: Gateway, now: Callable[[], float], *, lasts_s: float) -> None:
        self._gateway = gateway
        self._get: Any = account_service_pb2_grpc.AccountServiceStub(gateway.channel).GetAccount
        self._now = now
        self._lasts_s = lasts_s

    async def of(self, bearer: str) -> Account:
        """Raises Problem: UNAUTHENTICATED for a key that does not work, UNAVAILABLE."""
        request = account_service_pb2.GetAccountRequest()
        account: Account = await self._gateway.ask(self._get, request, bearer)
        return account

    def session(self, account: Account, bearer: str) -> Session:
        """A session with an API key, which ends with its key at the latest."""
        until = self._now() + self._lasts_s
        if account.key.HasField("expire_time"):
            until = min(until, account.key.expire_time.ToMilliseconds() / 1000)
        return Session(user=account.user_id, bearer=bearer, until=until)
