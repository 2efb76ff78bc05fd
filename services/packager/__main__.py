"""Starts the packager: `python -m services.packager`, configured by `ASSAY_*` variables."""

from __future__ import annotations

from services.packager.app import running
from services.packager.settings import PackagerSettings
from shared.service import main

if __name__ == "__main__":
    main("packager", running, PackagerSettings)
