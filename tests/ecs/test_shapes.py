"""The shapes of tests/agents in real containers of the runner image."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.agents.conformance import Shape, shapes
from tests.support.docker_engine import DockerEngine
from tests.support.runner_container import ObjectStore, runner_container

AT_ONCE = 2


def test_every_shape_has_its_right_outcome_in_a_container(engine: DockerEngine, store: ObjectStore, image: str) -> None:
    def wrong(shape: Shape) -> str:
        changes: dict[str, Any] = {"query": shape.query, "entrypoint": shape.entrypoint}
        with runner_container(engine, store, image, shape.code, **changes) as container:
            container.wait()
            try:
                shape.check(container.result())
            except AssertionError as error:
                return f"{shape.name}: {error}"
        return ""

    tried = [shape for shape in shapes().values() if not shape.needs]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert [said for said in pool.map(wrong, tried) if said] == []
