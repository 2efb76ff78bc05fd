"""From the secret references of a test to what ECS takes: ARNs that exist and that this test may use.

ECS fills the values in when it starts the container; they never come here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from services.orchestrator.ports import LaunchFailed
from shared.aws.connect import Aws
from shared.aws.failures import AwsError, Kind
from shared.aws.rates import Api
from shared.domain.failure import FailureCode
from shared.ids import UserId

REMEMBERED_S: Final = 300.0
_ARN_PARTS: Final = 7  # arn:aws:secretsmanager:region:account:secret:name-suffix; then :json-key:stage:version


class Secrets:
    """Looks secrets up, and remembers their ARNs for a while."""

    def __init__(self, aws: Aws, prefix: str, now: Callable[[], float] = time.monotonic) -> None:
        self._aws = aws
        self._prefix = prefix
        self._now = now
        self._known: dict[str, tuple[str, float]] = {}

    async def resolve(self, references: Mapping[str, str], user: UserId) -> dict[str, str]:
        """Variable -> ARN. Raises LaunchFailed with the reference that cannot be used, and AwsError."""
        return {name: await self._arn(reference, user) for name, reference in references.items()}

    async def _arn(self, reference: str, user: UserId) -> str:
        prefix = self._prefix.replace("{user}", user)
        if not name_of(reference).startswith(prefix):
            raise LaunchFailed(
                FailureCode.CREDENTIALS_INVALID,
                f"Tests may not use the secret {reference}: only those whose name begins with {prefix}",
            )
        if ":ssm:" in reference:
            return reference  # Parameter Store: checked by ECS itself
        secret, rest = _split(reference)
        known = self._known.get(secret)
        if known is None or known[1] < self._now():
            known = self._known[secret] = (await self._look_up(secret), self._now() + REMEMBERED_S)
        return known[0] + rest

    async def _look_up(self, secret: str) -> str:
        try:
            found = await self._aws.call(Api.DESCRIBE_SECRET, self._aws.secrets.describe_secret, SecretId=secret)
        except AwsError as error:
            why = {
                Kind.NOT_FOUND: f"There is no secret {secret} in {self._aws.region}.",
                Kind.DENIED: f"The orchestrator's role may not look at the secret {secret}.",
                Kind.INVALID: f"The secret {secret} cannot be used: {error.message}",
            }.get(error.kind)
            if why is None:
                raise
            raise LaunchFailed(FailureCode.CREDENTIALS_INVALID, why) from error
        if dict(found).get("DeletedDate"):
            raise LaunchFailed(FailureCode.CREDENTIALS_INVALID, f"The secret {secret} is being deleted.")
        return found["ARN"]


def name_of(reference: str) -> str:
    """The name in an ARN (of a secret with its random suffix, of a parameter without the slash in front), or a name."""
    if not reference.startswith("arn:"):
        return reference
    parts = reference.split(":", 6)
    if ":ssm:" in reference:
        return reference.partition(":parameter/")[2]
    return parts[6].partition(":")[0] if len(parts) == _ARN_PARTS else ""


def _split(reference: str) -> tuple[str, str]:
    """The secret, and which part of it is wanted: `:json-key:version-stage:version-id` behind an ARN."""
    if not reference.startswith("arn:"):
        return reference, ""
    parts = reference.split(":")
    rest = parts[_ARN_PARTS:]
    return ":".join(parts[:_ARN_PARTS]), f":{':'.join(rest)}" if rest else ""
