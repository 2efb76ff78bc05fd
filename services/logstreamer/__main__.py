"""Starts the log streamer: `python -m services.logstreamer`, configured by `ASSAY_*` variables."""

from __future__ import annotations

from services.logstreamer.app import running
from services.logstreamer.settings import LogstreamerSettings
from shared.service import main

if __name__ == "__main__":
    main("logstreamer", running, LogstreamerSettings)
