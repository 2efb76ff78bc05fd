"""`client.packages` for asyncio: deployment packages of tests that passed. package_blocking.py is its twin."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Unpack

from assay import package_messages as messages
from assay.calls import Calls
from assay.errors import AssayError, DownloadFailed, FailedPrecondition
from assay.listing import AsyncListing
from assay.packages import DownloadLink, GenerateOptions, Package, PackageListOptions, PackagePage, PackageState
from assay.retry import RetryPolicy
from assay.v1 import package_service_pb2 as pb


class AsyncPackages:
    """Made of tests that are COMPLETED, kept for a day, made again when they are asked for again."""

    def __init__(self, calls: Calls, retry: RetryPolicy) -> None:
        self._calls, self._retry = calls, retry

    async def generate(
        self, test_id: str, *, wait: float | timedelta | None = 60.0, **options: Unpack[GenerateOptions]
    ) -> Package:
        """The package of a test, as it stands when it is made or after `wait` (seconds; None: at once).

        Asked again with the same options it is the same one. Raises NotFound, InvalidRequest, and FailedPrecondition
        for a test that is not COMPLETED. One that could not be made is returned, too: see raise_for_failure."""
        seconds = messages.seconds(wait)
        until = time.monotonic() + seconds
        request = messages.generate(test_id, seconds, options)
        package = messages.answer(await self._calls.unary(self._calls.packages.GeneratePackage, request))
        return await self._made(package, until)

    async def get(self, package_id: str, *, wait: float | timedelta | None = None) -> Package:
        """One package, with a link if it is READY; waits up to `wait` (seconds) for it to be made. Raises NotFound."""
        seconds = messages.seconds(wait)
        until = time.monotonic() + seconds
        request = messages.get(package_id, seconds)
        package = messages.answer(await self._calls.unary(self._calls.packages.GetPackage, request))
        return await self._made(package, until)

    def list(
        self, *, limit: int | None = None, **options: Unpack[PackageListOptions]
    ) -> AsyncListing[PackagePage, Package]:
        """Packages, newest first: iterate over it, or over its `pages()`."""

        async def page(request: pb.ListPackagesRequest) -> PackagePage:
            return messages.page(await self._calls.unary(self._calls.packages.ListPackages, request))

        return AsyncListing(lambda: messages.list_packages(options), page, lambda page: page.packages, limit)

    async def refresh(self, package_id: str) -> DownloadLink:
        """A new link. Raises NotFound, and FailedPrecondition for a package that is not READY."""
        request = pb.RefreshDownloadUrlRequest(package_id=package_id)
        answer = await self._calls.unary(self._calls.packages.RefreshDownloadUrl, request)
        return messages.link(answer.link)

    async def track(self, package_id: str) -> int:
        """Counts a download, and says how many there were. `download` does this itself. Raises NotFound."""
        request = pb.TrackDownloadRequest(package_id=package_id)
        return (await self._calls.unary(self._calls.packages.TrackDownload, request)).download_count

    async def download(self, package: Package | str, to: str | os.PathLike[str] = ".") -> Path:
        """Saves the ZIP in the folder `to`, or as the file `to`, and returns where it is.

        It is streamed to the disk, taken up where it broke off, checked by size and SHA-256, and there all at once;
        one that is there already is left alone. Raises FailedPrecondition where it is not READY, DownloadFailed and
        OSError."""
        from assay.download import TRIES, Download, Interrupted, LinkEnded

        found = await self.get(package if isinstance(package, str) else package.id)
        if found.state is not PackageState.READY:
            raise FailedPrecondition(f"The package is {found.state}, not READY.", code="FAILED_PRECONDITION")
        download = await asyncio.to_thread(Download, found, to)
        link, failures = found.link, 0
        while not download.done:
            try:
                link = link or await self.refresh(found.id)
                await asyncio.to_thread(download.fetch, link.url)
            except (LinkEnded, Interrupted) as error:
                failures += 1
                if failures >= TRIES:
                    raise DownloadFailed(f"The download does not work: {error}.") from error
                link = None if isinstance(error, LinkEnded) else link
                await asyncio.sleep(self._retry.pause(failures))
            except asyncio.CancelledError:
                download.stop()
                raise
            else:
                with suppress(AssayError):  # it is there, counted or not
                    await self.track(found.id)
        return download.file

    async def _made(self, package: Package, until: float) -> Package:
        soon = 0
        while package.state is PackageState.GENERATING and (left := until - time.monotonic()) > 0:
            asked = time.monotonic()
            request = messages.get(package.id, left)
            package = messages.answer(await self._calls.unary(self._calls.packages.GetPackage, request))
            if package.state is PackageState.GENERATING and time.monotonic() - asked < messages.SOON_S:
                soon += 1
                await asyncio.sleep(min(self._retry.pause(soon), left))
        return package
