"""Starts the console: `python -m services.console`, configured by `ASSAY_*` variables."""

from __future__ import annotations

from services.console.app import running
from services.console.settings import ConsoleSettings
from shared.service import main

if __name__ == "__main__":
    main("console", running, ConsoleSettings)
