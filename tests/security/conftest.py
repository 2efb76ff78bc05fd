"""Process runtimes and gateways as attackers find them. A module whose gateway is set differently has a fixture of the
same name."""

from __future__ import annotations

from tests.contract.conftest import process_world, sandboxes
from tests.integration.conftest import alice, root, stage

__all__ = ["alice", "process_world", "root", "sandboxes", "stage"]
