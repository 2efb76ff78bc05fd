"""One engine, one runner image and one emulator for all tests here; where there can be none, the tests are skipped.

With ASSAY_TEST_ECS=required (`make test-ecs`) they fail instead.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NoReturn

import pytest

from tests.support.docker_engine import DockerEngine, NoContainers, docker_engine
from tests.support.emulator import Emulator, running_emulator
from tests.support.images import runner_image
from tests.support.runner_container import ObjectStore


@pytest.fixture(scope="session")
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Tells the user what takes so long, past the capturing of output."""
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")
    capturing = request.config.pluginmanager.get_plugin("capturemanager")

    def tell(text: str) -> None:
        if terminal is not None and capturing is not None:
            with capturing.global_and_fixture_disabled():
                terminal.ensure_newline()
                terminal.write_line(f"  . {text}")

    return tell


@pytest.fixture(scope="session")
def engine(say: Callable[[str], None]) -> Iterator[DockerEngine]:
    with ExitStack() as stack:
        try:
            running = stack.enter_context(docker_engine(say))
        except NoContainers as reason:
            _cannot(reason)
        yield running


@pytest.fixture(scope="session")
def image(engine: DockerEngine, say: Callable[[str], None]) -> str:
    """The name of the runner image."""
    try:
        return runner_image(engine, say)
    except NoContainers as reason:
        _cannot(reason)


@pytest.fixture(scope="session")
def emulator(engine: DockerEngine) -> Iterator[Emulator]:
    """An AWS that no test may harm; who wants to kill one takes one of its own."""
    with running_emulator(engine) as running:
        yield running


@pytest.fixture(scope="session")
def store(emulator: Emulator) -> ObjectStore:
    return ObjectStore(emulator)


def _cannot(reason: NoContainers) -> NoReturn:
    if os.environ.get("ASSAY_TEST_ECS") == "required":
        pytest.fail(f"no containers for tests: {reason}", pytrace=False)
    pytest.skip(f"no containers for tests: {reason}")
