# ruff: noqa: N802, ARG002 - names and arguments are the API's
"""assay.v1.PackageService: designed as a whole, answered by a later version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from assay.v1 import package_service_pb2 as pb
from assay.v1.package_service_pb2_grpc import PackageServiceServicer
from services.gateway.errors import NotYet

if TYPE_CHECKING:
    from services.gateway.interceptors import Context

_INSTEAD: Final = (
    "This server makes no deployment packages yet. GetTest with view FULL has the code, requirements and Dockerfile."
)


class PackageRpc(PackageServiceServicer):
    """Deployment packages."""

    async def GeneratePackage(self, request: pb.GeneratePackageRequest, context: Context) -> pb.GeneratePackageResponse:
        raise NotYet(_INSTEAD)

    async def GetPackage(self, request: pb.GetPackageRequest, context: Context) -> pb.GetPackageResponse:
        raise NotYet(_INSTEAD)

    async def ListPackages(self, request: pb.ListPackagesRequest, context: Context) -> pb.ListPackagesResponse:
        raise NotYet(_INSTEAD)

    async def RefreshDownloadUrl(
        self, request: pb.RefreshDownloadUrlRequest, context: Context
    ) -> pb.RefreshDownloadUrlResponse:
        raise NotYet(_INSTEAD)

    async def TrackDownload(self, request: pb.TrackDownloadRequest, context: Context) -> pb.TrackDownloadResponse:
        raise NotYet(_INSTEAD)
