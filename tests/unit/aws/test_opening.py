"""Who does not need AWS does not load boto3."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from shared.aws.kinds import AwsError, Kind
from shared.aws.opening import Opening
from shared.aws.settings import AwsSettings


def test_services_load_no_boto3_before_somebody_needs_it() -> None:
    code = "import sys, deploy.local.composition; print(sorted({'boto3', 'botocore'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == "[]"


class Gate:
    """Opens at the second try."""

    def __init__(self) -> None:
        self.tries = 0
        self.closed = 0

    async def open(self, settings: AwsSettings) -> "Gate":
        self.tries += 1
        await asyncio.sleep(0)
        if self.tries == 1:
            raise AwsError(Kind.UNAVAILABLE, "start", "", "not yet")
        return self

    def close(self) -> None:
        self.closed += 1


async def test_it_is_opened_once_for_everybody_and_again_where_it_failed() -> None:
    gate = Gate()
    opening = Opening(AwsSettings(), gate.open)  # type: ignore[arg-type]
    answers = await asyncio.gather(*(opening.aws() for _ in range(5)), return_exceptions=True)
    assert [isinstance(answer, AwsError) for answer in answers] == [True, False, False, False, False]
    assert gate.tries == 2
    opening.close()
    opening.close()
    assert gate.closed == 1


async def test_the_end_of_the_credentials_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=50)
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "token"),
        ("AWS_CREDENTIAL_EXPIRATION", ends.isoformat()),
    ):
        monkeypatch.setenv(name, value)
    opening = Opening(AwsSettings(aws_bucket="bucket"))
    try:
        now = datetime.now(UTC)
        link = await (await opening.objects()).link(
            "key", filename="a.zip", now=now, lives=timedelta(hours=6), until=now + timedelta(days=1)
        )
        assert link.until == ends
        assert "X-Amz-Security-Token=token" in link.url
    finally:
        opening.close()
