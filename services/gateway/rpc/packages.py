# ruff: noqa: N802, ARG002 - names and arguments are the API's
"""assay.v1.PackageService."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.v1 import package_service_pb2 as pb
from assay.v1.package_service_pb2_grpc import PackageServiceServicer
from services.gateway.caller import CALL
from services.gateway.packages.fetch import fetch_package
from services.gateway.packages.generate import Generation
from services.gateway.packages.links import Links
from services.gateway.packages.listing import PackageListing
from services.gateway.packages.messages import api_package
from services.gateway.ports import Packages
from shared.clock import Clock

if TYPE_CHECKING:
    from services.gateway.visits import Context


class PackageRpc(PackageServiceServicer):
    """Packages of the caller's tests."""

    def __init__(
        self, packages: Packages, clock: Clock, *, generation: Generation, listing: PackageListing, links: Links
    ) -> None:
        self._packages = packages
        self._clock = clock
        self._generation = generation
        self._listing = listing
        self._links = links

    async def GeneratePackage(self, request: pb.GeneratePackageRequest, context: Context) -> pb.GeneratePackageResponse:
        call = CALL.get()
        package = await self._generation.generate(request, call.caller, call.traceparent)
        link = await self._links.of(package)
        return pb.GeneratePackageResponse(package=api_package(package, self._clock.now()), link=link)

    async def GetPackage(self, request: pb.GetPackageRequest, context: Context) -> pb.GetPackageResponse:
        package = await self._generation.get(request, CALL.get().caller)
        link = await self._links.of(package)
        return pb.GetPackageResponse(package=api_package(package, self._clock.now()), link=link)

    async def ListPackages(self, request: pb.ListPackagesRequest, context: Context) -> pb.ListPackagesResponse:
        page = await self._listing.page(request, CALL.get().caller)
        now = self._clock.now()
        return pb.ListPackagesResponse(
            packages=[api_package(package, now) for package in page.packages], next_page_token=page.next_page_token
        )

    async def RefreshDownloadUrl(
        self, request: pb.RefreshDownloadUrlRequest, context: Context
    ) -> pb.RefreshDownloadUrlResponse:
        package = await fetch_package(self._packages, CALL.get().caller, request.package_id)
        return pb.RefreshDownloadUrlResponse(link=await self._links.renewed(package))

    async def TrackDownload(self, request: pb.TrackDownloadRequest, context: Context) -> pb.TrackDownloadResponse:
        package = await fetch_package(self._packages, CALL.get().caller, request.package_id)
        return pb.TrackDownloadResponse(download_count=await self._packages.count_download(package.id) or 0)
