"""Each shape in the harness as a process, forked and in the interpreter of an environment."""

from __future__ import annotations

import importlib.util

import pytest

from tests.agents.conformance import Shape, shapes
from tests.unit.harness.started import interpreters, run

SHAPES = shapes()


@pytest.mark.parametrize("python", interpreters(), ids=["forked", "other-interpreter"])
@pytest.mark.parametrize("name", SHAPES)
def test_each_shape_of_agent_has_its_right_outcome(name: str, python: str | None) -> None:
    shape = SHAPES[name]
    if shape.needs and (python is None or importlib.util.find_spec(shape.needs) is None):
        pytest.skip(f"{shape.needs} is not installed in this interpreter")
    outcome = run(shape.code, query=shape.query, entrypoint=shape.entrypoint, python=python)
    shape.check(outcome.result)


def test_every_shape_says_what_is_right() -> None:
    for shape in SHAPES.values():
        assert isinstance(shape, Shape)
        assert ("answer" in shape.right) != ("code" in shape.right), shape.name
