"""The way to AWS, opened when somebody first needs it: boto3 costs half a second and much memory to load.

Does not import boto3, and nothing that does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import TYPE_CHECKING

from shared.aws.settings import AwsSettings, Key

if TYPE_CHECKING:
    from shared.aws.connect import Aws
    from shared.aws.objects import Objects

OpenAws = Callable[[AwsSettings], Awaitable["Aws"]]


async def open_aws(settings: AwsSettings, key: Key | None = None) -> Aws:
    """AWS, or the emulator of the settings. Raises AwsError."""
    await asyncio.to_thread(import_module, "shared.aws.connect")
    from shared.aws.connect import Aws

    return await Aws.open(settings, key)


class Opening:
    """One way to AWS for everybody in a service."""

    def __init__(self, settings: AwsSettings, open_it: OpenAws = open_aws) -> None:
        self.settings = settings
        self._open = open_it
        self._lock = asyncio.Lock()
        self._aws: Aws | None = None

    async def aws(self) -> Aws:
        """The clients. Raises AwsError; who asks again then tries again."""
        async with self._lock:
            if self._aws is None:
                self._aws = await self._open(self.settings)
            return self._aws

    async def objects(self) -> Objects:
        """The bucket of the settings. Raises AwsError."""
        aws = await self.aws()
        from shared.aws.objects import Objects

        return Objects(aws, aws.settings.aws_bucket)

    @property
    def at_hand(self) -> bool:
        """Whether asking costs nobody more than the call: it is open, or is AWS, and no emulator that would be started
        for it."""
        return self._aws is not None or self._open is open_aws

    async def log_group_bytes(self) -> int | None:
        """How much lies in the log group of the settings, as AWS tells it; None where there is no such group. Raises
        AwsError."""
        aws = await self.aws()
        from shared.aws.groups import stored_bytes

        return await stored_bytes(aws, aws.settings.aws_log_group)

    def close(self) -> None:
        """Lets go of it, where it was opened."""
        if self._aws is not None:
            self._aws.close()
            self._aws = None
