"""The way to AWS as a look at the health takes it (port Cloud)."""

from __future__ import annotations

from shared.aws.opening import Opening


class OpeningCloud:
    """The bucket and the log group of the settings, where there is a bucket."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening

    @property
    def used(self) -> bool:
        return bool(self._opening.settings.aws_bucket) and self._opening.at_hand

    @property
    def log_group(self) -> str:
        return self._opening.settings.aws_log_group

    async def check(self) -> None:
        await (await self._opening.objects()).check()

    async def log_group_bytes(self) -> int | None:
        return await self._opening.log_group_bytes()
