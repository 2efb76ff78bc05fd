"""The way to one region's CloudWatch Logs. Loads boto3, so nobody imports it before there is something to read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Self

from services.logstreamer.sources.cloudwatch.port import GroupMissing, NotNow, StreamMissing
from shared.aws import logs
from shared.aws.connect import Aws
from shared.aws.failures import AwsError, Kind
from shared.aws.settings import AwsSettings


class AwsReach:
    """CloudWatch Logs by boto3."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    @classmethod
    async def open(cls, region: str) -> Self:
        """Configured by `ASSAY_AWS_*`, but for the region: a task says itself where it writes to. Raises NotNow."""
        try:
            return cls(await Aws.open(AwsSettings().model_copy(update={"aws_region": region})))
        except (AwsError, ValueError) as error:
            raise NotNow(str(error)) from error

    async def pages(self, group: str, streams: Sequence[str], *, start_ms: int) -> AsyncGenerator[list[logs.LogEvent]]:
        """As the port promises."""
        try:
            async with aclosing(logs.pages(self._aws, group, streams, start_ms=start_ms)) as found:
                async for events in found:
                    yield events
        except AwsError as error:
            raise _meaning(error) from error

    def close(self) -> None:
        """Lets go of the connections."""
        self._aws.close()


def _meaning(error: AwsError) -> Exception:
    if error.kind is Kind.NOT_FOUND:
        # "The specified log group does not exist.", "The specified log stream does not exist."
        return GroupMissing(str(error)) if "log group" in error.message.lower() else StreamMissing(str(error))
    if error.kind is Kind.INVALID:  # a name that cannot be one must not keep the others from being read
        return StreamMissing(str(error))
    return NotNow(str(error))
