"""Which version of Assay this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def assay_version() -> str:
    """The version that is installed; "unknown" where it runs from a folder that was never installed."""
    try:
        return version("assay")
    except PackageNotFoundError:
        return "unknown"
