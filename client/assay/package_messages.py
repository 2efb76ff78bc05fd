"""Packages between the SDK's values and the API's messages, both ways. Owns how the messages look; connects nothing."""

from __future__ import annotations

from datetime import timedelta

from assay.packages import (
    DownloadLink,
    GenerateOptions,
    Package,
    PackageFile,
    PackageListOptions,
    PackagePage,
    PackageSettings,
    PackageState,
)
from assay.requests import duration
from assay.translate import failure, moment
from assay.v1 import package_service_pb2 as pb

_PREFIX = "PACKAGE_STATE_"
_STATES = {pb.PackageState.Value(_PREFIX + state): state for state in PackageState if state is not PackageState.UNKNOWN}
SLICE_S = 15.0
"""A long wait is asked for in pieces: a call must not look as if its server were gone."""

SOON_S = 1.0
"""A server that answers sooner, and has no news, is not asked again at once."""


def generate(test_id: str, wait_s: float, options: GenerateOptions) -> pb.GeneratePackageRequest:
    """`wait_s` is how long the caller is ready to wait; the first piece of it is asked for."""
    request = pb.GeneratePackageRequest(
        test_id=test_id,
        options=pb.PackageOptions(
            service_name=options.get("service_name", ""),
            port=options.get("port", 0),
            load_balancer=options.get("load_balancer", False),
            vpc_id=options.get("vpc_id", ""),
        ),
        request_id=options.get("request_id", ""),
    )
    if wait_s > 0:
        request.wait.CopyFrom(duration(min(wait_s, SLICE_S)))
    return request


def get(package_id: str, wait_s: float = 0.0) -> pb.GetPackageRequest:
    request = pb.GetPackageRequest(package_id=package_id)
    if wait_s > 0:
        request.wait.CopyFrom(duration(min(wait_s, SLICE_S)))
    return request


def list_packages(options: PackageListOptions) -> pb.ListPackagesRequest:
    """Raises ValueError for a state that there is not."""
    return pb.ListPackagesRequest(
        page_size=options.get("page_size", 0),
        page_token=options.get("page_token", ""),
        filter=pb.PackageFilter(
            test_id=options.get("test_id", ""),
            agent_id=options.get("agent_id", ""),
            states=[_number(state) for state in options.get("states", ())],
        ),
    )


def seconds(value: float | timedelta | None) -> float:
    """How long to wait, in seconds; None is not at all."""
    return value.total_seconds() if isinstance(value, timedelta) else value or 0.0


def link(message: pb.DownloadLink) -> DownloadLink:
    return DownloadLink(message.url, moment(message, "expire_time"))


def answer(message: pb.GeneratePackageResponse | pb.GetPackageResponse) -> Package:
    return package(message.package, link(message.link) if message.HasField("link") else None)


def package(message: pb.Package, where: DownloadLink | None = None) -> Package:
    options = message.options
    return Package(
        id=message.id,
        test_id=message.test_id,
        agent_id=message.agent_id,
        user_id=message.user_id,
        state=_STATES.get(message.state, PackageState.UNKNOWN),
        options=PackageSettings(options.service_name, options.port, options.load_balancer, options.vpc_id),
        size=message.size_bytes,
        sha256=message.sha256,
        files=tuple(PackageFile(file.path, file.size_bytes, file.sha256) for file in message.files),
        created=moment(message, "create_time"),
        ready=moment(message, "ready_time"),
        expires=moment(message, "expire_time"),
        downloads=message.download_count,
        failure=failure(message.failure) if message.HasField("failure") else None,
        link=where,
    )


def page(message: pb.ListPackagesResponse) -> PackagePage:
    return PackagePage(tuple(package(one) for one in message.packages), message.next_page_token)


def _number(state: PackageState | str) -> pb.PackageState.ValueType:
    if state.upper() not in _STATES.values():
        raise ValueError(f"{str(state)!r} is none of {', '.join(_STATES.values())}")
    return pb.PackageState.Value(_PREFIX + state.upper())
