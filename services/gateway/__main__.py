"""Starts the gateway: `python -m services.gateway`, configured by `ASSAY_*` variables."""

from __future__ import annotations

from services.gateway.app import running
from services.gateway.settings import GatewaySettings
from shared.service import main

if __name__ == "__main__":
    main("gateway", running, GatewaySettings)
