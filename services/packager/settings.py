"""The packager's settings: environment variables `ASSAY_PACKAGER_*`."""

from __future__ import annotations

from shared.settings import CommonSettings


class PackagerSettings(CommonSettings):
    """Settings of the packager."""
