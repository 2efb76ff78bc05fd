"""The shape of a deployment package's document. Field by field in `docs/store.md`."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from shared.domain.packages import PackageState
from shared.ids import PackageId, TestId, UserId
from shared.store.documents import FailureDoc, Part


class PackageOptions(Part):
    """What the user asked for beside the agent."""

    service_name: str = ""
    port: int = 8080
    load_balancer: bool = False
    vpc_id: str = ""


class PackageFile(Part):
    path: str
    size: int
    sha256: str


class PackageClaim(Part):
    """Who makes the package. Without an owner it is anybody's; at `until` a packager takes it without an event."""

    until: datetime
    owner: str = ""
    token: str = ""
    """Names this one claim: what an owner that was too slow has made is not taken any more."""


class Package(Part):
    """A deployment package. Unique on (test_id, options_hash)."""

    id: PackageId = Field(alias="_id")
    test_id: TestId
    user_id: UserId
    agent_id: str
    options: PackageOptions
    """As they were asked for."""
    options_hash: str
    request_keys: list[str] = Field(default_factory=list)
    """Its own id, and the client's request ids that it was asked for by (the last few): unique per user."""
    state: PackageState = PackageState.GENERATING
    generation: int = 1
    """Counts how often it was begun: one that expired or failed is made again when it is asked for."""
    created_at: datetime
    requested_at: datetime
    """When this generation was asked for."""
    ready_at: datetime | None = None
    expires_at: datetime | None = None
    claim: PackageClaim | None = None
    """Only while it is GENERATING."""
    deaths: int = 0
    """How many packagers disappeared while they made this generation."""
    key: str = ""
    """Of the object in S3."""
    size: int = 0
    sha256: str = ""
    content_hash: str = ""
    service_name: str = ""
    """What it was made with: the one that was asked for, or one made from the agent's name."""
    files: list[PackageFile] = Field(default_factory=list)
    downloads: int = 0
    failure: FailureDoc | None = None
    traceparent: str = ""
