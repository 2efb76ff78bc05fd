"""Starts the orchestrator: `python -m services.orchestrator`, configured by `ASSAY_*` variables."""

from __future__ import annotations

from services.orchestrator.app import running
from services.orchestrator.settings import OrchestratorSettings
from shared.service import main

if __name__ == "__main__":
    main("orchestrator", running, OrchestratorSettings)
