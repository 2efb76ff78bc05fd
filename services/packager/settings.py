"""The packager's settings: environment variables `ASSAY_PACKAGER_*`, and those of the way to AWS."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from shared.aws.settings import AwsSettings
from shared.settings import CommonSettings
from shared.store.settings import EncryptionSettings


class PackagerSettings(CommonSettings, AwsSettings, EncryptionSettings):
    """Settings of the packager. Without a bucket it makes no packages."""

    packager_ttl_h: float = Field(24.0, gt=0, description="how long a package can be downloaded, hours")
    packager_parallel: int = Field(8, ge=1, le=64, description="packages one replica makes at once")
    packager_lease_s: float = Field(
        30.0, gt=0, description="a package whose packager has not said so for this long is taken over by another one"
    )
    packager_give_up_s: float = Field(
        900.0, gt=0, description="how long a package is tried while the object store is away, before it fails"
    )
    packager_expiry_interval_s: float = Field(
        3600.0, gt=0, description="how often packages are removed whose time is over, in seconds"
    )
    packager_signing_key: Path | None = Field(
        None,
        description="file of the Ed25519 private key (PEM, mode 0400 or 0440) that signs packages, as made by "
        "`assay-admin signing-key`; none = packages are not signed",
    )
