"""The emulator of AWS behind a check of every signature (Signature Version 4), in its process and by its own Python.

ministack takes whoever names the key `test`, or ours with any signature, for its owner, and forgets everything on
`POST /_ministack/reset` (1.5.33, tried). Here only requests get through that were signed with our secret.

Runs as a program (`EmulatorServer.command`), so it may use nothing but the standard library and ministack. The decision
is `is_signed`; docs.aws.amazon.com, "Authenticating Requests (AWS Signature Version 4)".
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

ALGORITHM = "AWS4-HMAC-SHA256"
HEALTH = b"/_ministack/health"
"""Asks nothing and tells no data: whether it runs."""
CLOCKS = timedelta(minutes=15)
LONGEST_S = 7 * 86_400
MOST_BODY = 64 << 20
REFUSED = (
    b"<Error><Code>SignatureDoesNotMatch</Code>"
    b"<Message>The request is not signed with the key of this S3.</Message></Error>"
)

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Request:
    """What of a request is signed."""

    method: str
    path: str
    """As it was sent, still escaped."""
    query: str
    headers: Mapping[str, str]
    """By their names in small letters."""
    body_hash: str
    """SHA-256 of the body, for those who do not send it."""


@dataclass(frozen=True)
class _Claim:
    """Who says to have signed what, when, and how."""

    access_key: str
    scope: str
    signed: str
    signature: str
    at: str
    lasts_s: int | None
    """None: now, by clocks that may differ."""


def is_signed(request: Request, access_key: str, secret: str, now: datetime) -> bool:
    """Whether the request was signed with this key, and is neither too old nor from later."""
    claim = _claim(request)
    if claim is None or not hmac.compare_digest(claim.access_key.encode(), access_key.encode()):
        return False
    scope = claim.scope.split("/")
    names = claim.signed.split(";")
    if len(scope) != 4 or scope[3] != "aws4_request" or "host" not in names or not _is_timely(claim, now):
        return False
    if scope[0] != claim.at[:8] or any(name not in request.headers for name in names):
        return False
    canonical = "\n".join(
        (
            request.method,
            request.path if scope[2] == "s3" else quote(request.path, safe="/~"),
            _canonical_query(request.query),
            *(f"{name}:{' '.join(request.headers[name].split())}" for name in names),
            "",
            claim.signed,
            _payload_hash(request, in_link=claim.lasts_s is not None),
        )
    )
    told = "\n".join((ALGORITHM, claim.at, claim.scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{secret}".encode()
    for part in scope:
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(hmac.digest(key, told.encode(), "sha256").hex(), claim.signature)


def _claim(request: Request) -> _Claim | None:
    """What the header says; without one, what the link says."""
    if said := request.headers.get("authorization"):
        found = re.fullmatch(
            rf"{ALGORITHM} +Credential=([^/,\s]+)/([^,\s]+), *SignedHeaders=([a-z0-9;-]+), *Signature=([0-9a-f]{{64}})",
            said.strip(),
        )
        if found is None:
            return None
        access_key, scope, signed, signature = found.groups()
        return _Claim(access_key, scope, signed, signature, request.headers.get("x-amz-date", ""), None)
    pairs = _pairs(request.query)
    values = dict(pairs)
    if len(values) < len(pairs) or values.get("X-Amz-Algorithm") != ALGORITHM:
        return None
    access_key, _, scope = values.get("X-Amz-Credential", "").partition("/")
    lasts = values.get("X-Amz-Expires", "")
    if not re.fullmatch(r"[0-9]{1,6}", lasts) or not 0 < int(lasts) <= LONGEST_S:
        return None
    signed, signature = values.get("X-Amz-SignedHeaders", ""), values.get("X-Amz-Signature", "")
    return _Claim(access_key, scope, signed, signature, values.get("X-Amz-Date", ""), int(lasts))


def _is_timely(claim: _Claim, now: datetime) -> bool:
    try:
        at = datetime.strptime(claim.at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    lasts = CLOCKS if claim.lasts_s is None else timedelta(seconds=claim.lasts_s)
    return at - CLOCKS <= now <= at + lasts


def _pairs(query: str) -> list[tuple[str, str]]:
    """`+` is a plus here, as signers have it."""
    pieces = (piece.partition("=") for piece in query.split("&") if piece)
    return [(unquote(name), unquote(value)) for name, _, value in pieces]


def _canonical_query(query: str) -> str:
    escaped = sorted(
        (quote(name, safe="~"), quote(value, safe="~")) for name, value in _pairs(query) if name != "X-Amz-Signature"
    )
    return "&".join(f"{name}={value}" for name, value in escaped)


def _payload_hash(request: Request, *, in_link: bool) -> str:
    return "UNSIGNED-PAYLOAD" if in_link else request.headers.get("x-amz-content-sha256", request.body_hash)


class Gate:
    """ministack's application for those who signed, and a refusal for everybody else."""

    def __init__(self, app: App, access_key: str, secret: str) -> None:
        self._app = app
        self._access_key = access_key
        self._secret = secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or (
            scope["type"] == "http" and scope["method"] == "GET" and scope["raw_path"] == HEALTH
        ):
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = _headers(scope["headers"])
        body = b""
        if "x-amz-content-sha256" not in headers and self._access_key in headers.get("authorization", ""):
            body = await _whole(receive)
            receive = _again(body, receive)
        request = Request(
            scope["method"],
            scope["raw_path"].decode("latin-1"),
            scope["query_string"].decode("latin-1"),
            headers,
            hashlib.sha256(body).hexdigest(),
        )
        if is_signed(request, self._access_key, self._secret, datetime.now(UTC)):
            await self._app(scope, receive, send)
            return
        kind = [(b"content-type", b"application/xml"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 403, "headers": kind})
        await send({"type": "http.response.body", "body": REFUSED})


def _headers(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """Those that come twice count as one, their values joined, as a signer has them."""
    found: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]},{text}" if key in found else text
    return found


async def _whole(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body") or len(body) > MOST_BODY:
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> dict[str, Any]:
        return left.pop() if left else await receive()

    return next_message


def main() -> None:
    """Starts ministack with the gate before it."""
    from ministack import app as emulator  # type: ignore[import-not-found]  # it is in the emulator's own environment

    emulator.app = Gate(emulator.app, os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    emulator.main()


if __name__ == "__main__":
    main()
