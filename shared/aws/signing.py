"""Pre-signed URLs of S3, signed for a given time: a pure function, so that a repeated launch sends the same bytes.

boto3 signs for the moment of the call and nothing else. Signature Version 4, query parameters; the test holds it to
what boto3 makes (docs.aws.amazon.com, "Authenticating Requests: Using Query Parameters").
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal, NamedTuple
from urllib.parse import quote, urlsplit

LONGEST_S: Final = 7 * 86_400  # S3: longest life of a pre-signed URL


class Signer(NamedTuple):
    """Who signs. Never logged."""

    access_key: str
    secret_key: str
    token: str | None
    until: datetime | None
    """When these credentials end, and with them every URL that they signed; None where they do not."""

    def __repr__(self) -> str:
        return f"Signer({self.access_key[:4]}...)"


def presign(
    method: Literal["GET", "PUT"],
    url: str,
    signer: Signer,
    *,
    region: str,
    at: datetime,
    expires_s: int,
    said: Mapping[str, str] | None = None,
) -> str:
    """`url` with what lets its holder do this one thing from `at` on for `expires_s` seconds.

    `said` are further parameters, such as the name that S3 is to give the file."""
    parts = urlsplit(url)
    moment = at.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    query = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{signer.access_key}/{scope}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(min(expires_s, LONGEST_S)),
        "X-Amz-SignedHeaders": "host",
        **(said or {}),
    }
    if signer.token:
        query["X-Amz-Security-Token"] = signer.token
    encoded = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(query.items()))
    canonical = "\n".join([method, parts.path, encoded, f"host:{parts.netloc}", "", "host", "UNSIGNED-PAYLOAD"])
    to_sign = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{signer.secret_key}".encode()
    for part in (moment[:8], region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return f"{parts.scheme}://{parts.netloc}{parts.path}?{encoded}&X-Amz-Signature={signature}"
