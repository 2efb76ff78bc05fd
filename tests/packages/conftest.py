"""What the proofs need: a Docker Engine, and an environment with aws-cdk-lib. Where there is none, they are skipped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from deploy.setup import cdk
from deploy.setup.steps import CommandFailed, Missing
from tests.support.docker_engine import DockerEngine, NoContainers, docker_engine


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerEngine]:
    with ExitStack() as stack:
        try:
            running = stack.enter_context(docker_engine(print))
        except NoContainers as reason:
            pytest.skip(str(reason))
        yield running


@pytest.fixture(scope="session")
def cdk_environment() -> None:
    """Installed in .tools when it is asked for the first time."""
    if cdk.STEP.needed():
        try:
            cdk.STEP.do()
        except (Missing, CommandFailed) as reason:
            pytest.skip(f"aws-cdk-lib cannot be installed: {reason}")
