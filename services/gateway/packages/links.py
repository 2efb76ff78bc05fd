"""Links to packages: signed at the moment they are asked for, and honest about when they end."""

from __future__ import annotations

from datetime import timedelta

from assay.v1 import package_service_pb2 as pb
from services.gateway.errors import NotInThatState
from services.gateway.translate import timestamp
from shared.aws.kinds import AwsError
from shared.aws.opening import Opening
from shared.clock import Clock
from shared.domain.packages import PackageState, standing
from shared.errors import Unavailable
from shared.store.package_documents import Package


class CannotSign(Unavailable):
    """The link cannot be signed now."""


class Links:
    """Signs on this machine; asks AWS for nothing but, now and then, its own credentials."""

    def __init__(self, opening: Opening, clock: Clock, *, lives: timedelta) -> None:
        self._opening = opening
        self._clock = clock
        self._lives = lives

    async def of(self, package: Package) -> pb.DownloadLink | None:
        """A link to a package that is READY, else None. Raises CannotSign."""
        now = self._clock.now()
        if standing(package.state, package.expires_at, now) is not PackageState.READY:
            return None
        assert package.expires_at is not None
        try:
            link = await (await self._opening.objects()).link(
                package.key, filename=filename(package), now=now, lives=self._lives, until=package.expires_at
            )
        except AwsError as error:
            raise CannotSign(f"The link cannot be signed now: {error}") from error
        return pb.DownloadLink(url=link.url, expire_time=timestamp(link.until))

    async def renewed(self, package: Package) -> pb.DownloadLink:
        """A link, or why there is none. Raises NotInThatState, CannotSign."""
        link = await self.of(package)
        if link is None:
            state = standing(package.state, package.expires_at, self._clock.now())
            raise NotInThatState(_WHY[state], package_id=package.id, state=state)
        return link


_WHY = {
    PackageState.GENERATING: "The package is still being made; ask again when it is READY (GetPackage can wait).",
    PackageState.FAILED: "The package could not be made; its `failure` says why. GeneratePackage tries again.",
    PackageState.EXPIRED: "The package was removed after its time. GeneratePackage makes it again.",
}


def filename(package: Package) -> str:
    """What the file is called where it is saved."""
    return f"{package.service_name or 'package'}-{package.id[-8:]}.zip"
