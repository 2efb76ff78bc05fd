"""`client.admin` for asyncio: what needs a key with the role admin. admin_blocking.py is its twin."""

from __future__ import annotations

from datetime import timedelta
from typing import Unpack

from assay import admin_messages, health_messages, report_messages, translate
from assay.admin import (
    ApiKey,
    CreatedKey,
    DeadLetter,
    KeyPage,
    LetterPage,
    LimitChanges,
    PageOptions,
    Replayed,
    Revoked,
    Role,
    UserLimits,
    UserLimitsReport,
)
from assay.audit import AuditEntry, AuditOptions, AuditPage
from assay.calls import Calls
from assay.health import SystemHealth
from assay.listing import AsyncListing
from assay.queue import QueueStatus
from assay.reports import CostOptions, CostReport, Usage, UsageOptions
from assay.v1 import admin_service_pb2 as pb


class AsyncAdmin:
    """For those who run Assay. Every method raises PermissionDenied for a key that has not the role admin."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def health(self) -> SystemHealth:
        """How services, and what they need, are. Answers within about a second also where some of it is down."""
        request = pb.GetSystemHealthRequest()
        return health_messages.system_health(await self._calls.unary(self._calls.admin.GetSystemHealth, request))

    async def set_capacity(self, slots: int) -> QueueStatus:
        """Sets how many tests run at once, 0 to 10,000. Lowering it lets running tests end. Raises InvalidRequest."""
        request = pb.SetCapacityRequest(capacity=slots)
        return translate.queue_status((await self._calls.unary(self._calls.admin.SetCapacity, request)).status)

    async def pause_queue(self, reason: str = "") -> QueueStatus:
        """Lets no further test start; running ones go on, new ones wait. `reason` is for those who wait."""
        request = pb.PauseQueueRequest(reason=reason)
        return translate.queue_status((await self._calls.unary(self._calls.admin.PauseQueue, request)).status)

    async def resume_queue(self) -> QueueStatus:
        """Lets tests start again."""
        request = pb.ResumeQueueRequest()
        return translate.queue_status((await self._calls.unary(self._calls.admin.ResumeQueue, request)).status)

    async def create_key(
        self, user_id: str, name: str = "", *, role: Role | str = Role.USER, ttl: timedelta | None = None
    ) -> CreatedKey:
        """Makes an API key and gives its secret, this once. `ttl`: how long it works; None is for ever.

        Is not tried again where the answer got lost, since that would make a second one. Raises InvalidRequest."""
        request = admin_messages.create_key(user_id, name, role, ttl)
        return admin_messages.created_key(await self._calls.unary(self._calls.admin.CreateApiKey, request, once=True))

    def keys(
        self, user_id: str = "", *, include_ended: bool = False, limit: int | None = None, **paging: Unpack[PageOptions]
    ) -> AsyncListing[KeyPage, ApiKey]:
        """API keys, newest first: iterate over it, or over its `pages()`. `include_ended`: revoked and expired ones."""

        def request() -> pb.ListApiKeysRequest:
            return pb.ListApiKeysRequest(user_id=user_id, include_ended=include_ended, **paging)

        async def page(request: pb.ListApiKeysRequest) -> KeyPage:
            return admin_messages.key_page(await self._calls.unary(self._calls.admin.ListApiKeys, request))

        return AsyncListing(request, page, lambda page: page.keys, limit)

    async def revoke_key(self, key_id: str) -> Revoked:
        """Ends an API key, everywhere within 5 s; harmless when it was revoked before. Raises NotFound."""
        request = pb.RevokeApiKeyRequest(key_id=key_id)
        return admin_messages.revoked(await self._calls.unary(self._calls.admin.RevokeApiKey, request))

    async def revoke_keys_of(self, user_id: str) -> Revoked:
        """Ends all API keys of a user, everywhere within 5 s. Raises NotFound."""
        request = pb.RevokeApiKeyRequest(user_id=user_id)
        return admin_messages.revoked(await self._calls.unary(self._calls.admin.RevokeApiKey, request))

    async def user_limits(self, user_id: str) -> UserLimitsReport:
        """What was set for a user, and what holds."""
        request = pb.GetUserLimitsRequest(user_id=user_id)
        return admin_messages.limits_report(await self._calls.unary(self._calls.admin.GetUserLimits, request))

    async def set_user_limits(self, user_id: str, limits: UserLimits) -> UserLimits:
        """Sets all limits of a user, None to the default, and returns what holds now. Raises InvalidRequest."""
        request = admin_messages.set_limits(user_id, limits)
        answer = await self._calls.unary(self._calls.admin.SetUserLimits, request)
        return admin_messages.limits(answer.effective)

    async def change_user_limits(self, user_id: str, **changes: Unpack[LimitChanges]) -> UserLimitsReport:
        """Sets these limits of a user and leaves the others; None goes back to the default. Raises InvalidRequest."""
        if not changes:
            return await self.user_limits(user_id)
        request = admin_messages.change_limits(user_id, changes)
        return admin_messages.limits_report(await self._calls.unary(self._calls.admin.SetUserLimits, request))

    async def usage(self, **options: Unpack[UsageOptions]) -> Usage:
        """Tests submitted and ended, run times and waiting times, by hour or day. Raises InvalidRequest."""
        request = report_messages.usage_request(options)
        return report_messages.usage(await self._calls.unary(self._calls.admin.GetUsage, request))

    async def costs(self, **options: Unpack[CostOptions]) -> CostReport:
        """What tests cost, by day, user, agent or values of a label. Raises InvalidRequest."""
        request = report_messages.cost_request(options)
        return report_messages.cost_report(await self._calls.unary(self._calls.admin.GetCostReport, request))

    def dead_letters(
        self, service: str = "", *, limit: int | None = None, **paging: Unpack[PageOptions]
    ) -> AsyncListing[LetterPage, DeadLetter]:
        """Messages that no service could handle, newest first: iterate over it, or over its `pages()`."""

        def request() -> pb.ListDeadLettersRequest:
            return pb.ListDeadLettersRequest(service=service, **paging)

        async def page(request: pb.ListDeadLettersRequest) -> LetterPage:
            return admin_messages.letter_page(await self._calls.unary(self._calls.admin.ListDeadLetters, request))

        return AsyncListing(request, page, lambda page: page.letters, limit)

    async def replay(self, letter_id: str) -> int:
        """Sends a dead letter to where it was meant to go once more; how many were sent.

        Raises NotFound, and FailedPrecondition where NATS does not take it."""
        request = pb.ReplayDeadLetterRequest(letter_id=letter_id)
        return (await self._calls.unary(self._calls.admin.ReplayDeadLetter, request)).replayed_count

    async def replay_all(self) -> Replayed:
        """Sends all dead letters that there are now once more. Those that cannot be sent stay, and hold up no other."""
        request = pb.ReplayDeadLetterRequest(all=True)
        method = self._calls.admin.ReplayDeadLetter
        return admin_messages.replayed(await self._calls.unary(method, request, timeout=admin_messages.LONG_S))

    def audit(
        self, *, limit: int | None = None, **options: Unpack[AuditOptions]
    ) -> AsyncListing[AuditPage, AuditEntry]:
        """Who did what with the power of an admin, newest first: iterate over it, or over its `pages()`."""

        def request() -> pb.ListAuditRequest:
            return admin_messages.audit_request(options)

        async def page(request: pb.ListAuditRequest) -> AuditPage:
            return admin_messages.audit_page(await self._calls.unary(self._calls.admin.ListAudit, request))

        return AsyncListing(request, page, lambda page: page.entries, limit)
