"""What the proofs need: an environment with aws-cdk-lib. Where there is none, they are skipped."""

from __future__ import annotations

import pytest

from deploy.setup import cdk
from deploy.setup.steps import CommandFailed, Missing


@pytest.fixture(scope="session")
def cdk_environment() -> None:
    """Installed in .tools when it is asked for the first time."""
    if cdk.STEP.needed():
        try:
            cdk.STEP.do()
        except (Missing, CommandFailed) as reason:
            pytest.skip(f"aws-cdk-lib cannot be installed: {reason}")
