"""Process runtimes as attackers find them."""

from __future__ import annotations

from tests.contract.conftest import process_world, sandboxes

__all__ = ["process_world", "sandboxes"]
