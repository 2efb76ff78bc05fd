"""What was asked for with a test, as the SDK gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Model:
    """The model that an agent talks to, such as `Model("ollama", "llama3.2")`."""

    provider: str
    model_id: str = ""
    base_url: str = ""
    region: str = ""

    @classmethod
    def parse(cls, text: str) -> Model:
        """`provider:model`; the name of a model may itself contain colons."""
        provider, _, model_id = text.partition(":")
        return cls(provider=provider, model_id=model_id)


@dataclass(frozen=True, slots=True)
class TestSpec:
    """What is to be tested. Large fields are empty where a test was asked for with a smaller view."""

    __test__ = False

    name: str
    agent_id: str
    agent_name: str
    agent_code: str
    requirements: tuple[str, ...]
    dockerfile: str
    entrypoint: str
    query: str | None
    """None: the agent is run without one."""
    env: Mapping[str, str]
    secret_refs: Mapping[str, str]
    model: Model | None
    timeout: timedelta | None
    priority: int | None
    cpu: float
    memory_mib: int
    network: bool
    labels: Mapping[str, str]
    agent_path: str = ""
    strict_answer: bool = False
    system_packages: tuple[str, ...] = ()
    allow_hosts: tuple[str, ...] = ()
