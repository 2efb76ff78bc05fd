"""CreateApiKey, ListApiKeys, RevokeApiKey. A secret is in the answer that makes it and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog

from assay.v1 import admin_service_pb2 as pb
from services.gateway.caller import changed
from services.gateway.errors import InvalidRequest, NoSuchKey, Violation, Violations
from services.gateway.paging import ENTRIES, KEYS, page_token, place_of
from services.gateway.ports import KeyRing
from services.gateway.times import span
from services.gateway.translate import timestamp
from shared.clock import Clock
from shared.ids import KEY_ID, USER_ID, UserId
from shared.store.documents import ApiKey
from shared.store.keys import Revoked, new_secret

log = structlog.get_logger()

LONGEST_NAME: Final = 200
LONGEST_TTL: Final = timedelta(days=3653)  # ten years
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_USER: Final = "must be 1 to 64 letters, digits, _ or -"
_ROLES: Final[dict[int, str]] = {pb.ROLE_UNSPECIFIED: "user", pb.ROLE_USER: "user", pb.ROLE_ADMIN: "admin"}
_NUMBERS: Final = {"user": pb.ROLE_USER, "admin": pb.ROLE_ADMIN}


class KeyControl:
    """The API keys of everybody."""

    def __init__(self, keys: KeyRing, clock: Clock, *, ended: Callable[[], None]) -> None:
        self._keys = keys
        self._clock = clock
        self._ended = ended
        """Called when keys were revoked, for what this gateway remembers of them; the others look soon."""

    async def create(self, request: pb.CreateApiKeyRequest, by: UserId) -> pb.CreateApiKeyResponse:
        """Raises InvalidRequest with every bad field."""
        violations = Violations()
        if not USER_ID.fullmatch(request.user_id):
            violations.add("user_id", _USER)
        if len(request.name) > LONGEST_NAME:
            violations.add("name", f"is longer than {LONGEST_NAME} characters")
        if _CONTROL.search(request.name):
            violations.add("name", "has a line break or another control character in it")
        if request.role not in _ROLES:
            violations.add("role", "is not a value of Role")
        ttl = _ttl(request, violations)
        violations.raise_if_any()
        secret, now = new_secret(), self._clock.now()
        key = await self._keys.add(
            secret,
            user=UserId(request.user_id),
            role=_ROLES[request.role],
            now=now,
            expires_at=None if ttl is None else now + ttl,
            name=request.name,
        )
        changed("key_id", "", key.key_id)
        log.info("api_key_made", key_id=key.key_id, of=key.user_id, role=key.role, by=by)
        return pb.CreateApiKeyResponse(key=api_key(key), secret=secret)

    async def page(self, request: pb.ListApiKeysRequest) -> pb.ListApiKeysResponse:
        """Newest first. Raises InvalidRequest."""
        violations = Violations()
        if request.user_id and not USER_ID.fullmatch(request.user_id):
            violations.add("user_id", f"{_USER}; leave it out for everybody's keys")
        ENTRIES.check(request.page_size, violations)
        violations.raise_if_any()
        seal = f"keys\0{request.user_id}\0{request.include_ended:d}".encode()
        size = ENTRIES.of(request.page_size)
        found = await self._keys.page(
            user=UserId(request.user_id) if request.user_id else None,
            ended=request.include_ended,
            now=self._clock.now(),
            before=place_of(request.page_token, seal, KEYS),
            limit=size + 1,
        )
        more = len(found) > size
        return pb.ListApiKeysResponse(
            keys=[api_key(key) for key in found[:size]],
            next_page_token=page_token(seal, found[size - 1].key_id) if more else "",
        )

    async def revoke(self, request: pb.RevokeApiKeyRequest, by: UserId) -> pb.RevokeApiKeyResponse:
        """One key, or all of a user: one's own, too, and the last of an admin; `assay-admin bootstrap` makes another.

        Raises InvalidRequest, and NoSuchKey where there is none to revoke."""
        done = await self._revoke(request)
        if done is None:
            raise NoSuchKey(request.key_id, request.user_id)
        self._ended()
        changed("revoked", "", f"{done.ended}: {done.key.key_id} of {done.key.user_id}")
        log.info("api_keys_revoked", key_id=done.key.key_id, of=done.key.user_id, count=done.ended, by=by)
        return pb.RevokeApiKeyResponse(key=api_key(done.key), revoked_count=done.ended)

    async def _revoke(self, request: pb.RevokeApiKeyRequest) -> Revoked | None:
        match bool(request.key_id), bool(request.user_id):
            case True, True:
                raise InvalidRequest(
                    [Violation("user_id", "goes without key_id: name one key, or the user to revoke all of theirs")]
                )
            case False, False:
                raise InvalidRequest([Violation("key_id", "is empty; name a key, or a user with user_id")])
            case True, False:
                if not KEY_ID.fullmatch(request.key_id):
                    raise InvalidRequest([Violation("key_id", "is not the id of a key: key_ and 32 hex digits")])
                return await self._keys.revoke(request.key_id, self._clock.now())
            case _:
                if not USER_ID.fullmatch(request.user_id):
                    raise InvalidRequest([Violation("user_id", _USER)])
                return await self._keys.revoke_all(UserId(request.user_id), self._clock.now())


def _ttl(request: pb.CreateApiKeyRequest, violations: Violations) -> timedelta | None:
    found = span(request, "ttl", "ttl", violations)
    if found is not None and not timedelta() < found <= LONGEST_TTL:
        violations.add("ttl", "must be above 0 and at most ten years; leave it out for a key that works for ever")
    return found


def api_key(key: ApiKey) -> pb.ApiKey:
    """A key without its secret."""
    return pb.ApiKey(
        id=key.key_id,
        user_id=key.user_id,
        name=key.name,
        role=_NUMBERS.get(key.role, pb.ROLE_USER),
        prefix=key.prefix,
        create_time=timestamp(key.created_at),
        expire_time=timestamp(key.expires_at),
        revoke_time=timestamp(key.revoked_at),
        last_use_time=timestamp(key.last_used_at),
    )
