"""Answers that are objects of the agent's own classes: nothing of them is lost to a shortcut."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from services.orchestrator.harness.src.answers import Answering
from services.orchestrator.harness.src.usage import usage_of
from services.orchestrator.harness.src.yields import collected, is_stream
from tests.unit.harness.lookalikes import an_object


class Result:
    def __init__(self, **given: object) -> None:
        self.__dict__.update(given)


class Run(Result):
    def __iter__(self) -> Iterator[object]:
        return iter(self.steps)  # type: ignore[attr-defined]


class Stream(Result):
    def __iter__(self) -> Iterator[object]:
        return iter(["A ", "zebra"])

    def close(self) -> None:
        pass


class Broken(Result):
    def __iter__(self) -> Iterator[object]:
        raise OSError


class Bare:
    def __iter__(self) -> Iterator[object]:
        return iter(["A ", "zebra"])

    def close(self) -> None:
        pass


class Hidden:
    def __init__(self) -> None:
        self._text = "A"

    @property
    def output(self) -> str:
        return self._text


OWN: dict[str, tuple[object, Any]] = {
    "content and nothing else": (Result(content="A"), "A"),
    "message": (Result(role="assistant", content="A"), "A"),
    "output by a property": (Hidden(), "A"),
    "empty content beside a result": (Result(content="", tool_result="42"), {"content": "", "tool_result": "42"}),
    "name of a file": (Result(output="log.txt", summary="A"), {"output": "log.txt", "summary": "A"}),
    "content with sources": (
        Result(content="A", sources=["a"], score=0.5),
        {"content": "A", "sources": ["a"], "score": 0.5},
    ),
    "output that is nothing": (Result(output=None, error="E"), {"output": None, "error": "E"}),
    "final output and more": (Result(final_output="A", steps=2), {"final_output": "A", "steps": 2}),
    "iteration over an attribute": (Run(steps=["start", "end"], final="F"), {"steps": ["start", "end"], "final": "F"}),
    "iteration over a dictionary": (Run(steps={"a": 1}), {"steps": {"a": 1}}),
    "iteration over something else": (Stream(final="F"), {"final": "F", "[items]": ["A ", "zebra"]}),
    "iteration that breaks": (Broken(final="F"), {"final": "F"}),
    "iteration and no attributes": (Bare(), "A zebra"),
}


@pytest.mark.parametrize("name", OWN)
def test_an_object_of_the_agent_keeps_all_its_public_attributes(name: str) -> None:
    value, answer = OWN[name]
    given = collected(value) if is_stream(value) else value
    assert Answering().json(given, 1 << 20) == answer


def test_objects_of_installed_packages_give_their_output_as_they_hold_clients_and_keys() -> None:
    for name in ("final_output", "output", "content"):
        assert Answering().json(an_object("other_framework", "Result", **{name: "A", "client": "key"}), 1 << 20) == "A"


class Hostile:
    def __getattribute__(self, name: str) -> Any:
        raise SystemExit(3)


def test_an_object_that_ends_the_process_when_asked_costs_only_its_own_place() -> None:
    answer = {"bad": Hostile(), "good": 1}
    plain = Answering().json(answer, 1 << 20)
    assert (plain["good"], "Hostile" in plain["bad"]) == (1, True)
    assert usage_of(answer, None) is None
