"""From stored packages to the API's messages. Decides nothing but that time is over."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from assay.v1 import package_service_pb2 as pb
from services.gateway.translate import api_failure, timestamp
from shared.domain.packages import PackageState, standing
from shared.store.package_documents import Package

STATES: Final = {state: pb.PackageState.Value(f"PACKAGE_STATE_{state}") for state in PackageState}
STATE_OF: Final = {number: state for state, number in STATES.items()}


def api_package(package: Package, now: datetime) -> pb.Package:
    """The package as it is now."""
    return pb.Package(
        id=package.id,
        test_id=package.test_id,
        user_id=package.user_id,
        agent_id=package.agent_id,
        state=STATES[standing(package.state, package.expires_at, now)],
        options=pb.PackageOptions(
            **package.options.model_dump() | ({"service_name": package.service_name} if package.service_name else {})
        ),
        size_bytes=package.size,
        sha256=package.sha256,
        files=[pb.PackageFile(path=file.path, size_bytes=file.size, sha256=file.sha256) for file in package.files],
        create_time=timestamp(package.created_at),
        ready_time=timestamp(package.ready_at),
        expire_time=timestamp(package.expires_at),
        download_count=package.downloads,
        failure=api_failure(package.failure) if package.failure else None,
    )
