"""What is known of a test when its package is made. Everything that the files of a package say comes from here.

No secret can get into a package because none gets in here: of the environment only the names are facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The model that the agent talked to. Empty text: not said."""

    provider: str
    model_id: str = ""
    base_url: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the test, and what it took. None: not known."""

    success: bool = True
    run_ms: float | None = None
    build_ms: float | None = None
    peak_memory_bytes: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for beside the agent."""

    service_name: str = ""
    """`[a-z][a-z0-9-]{0,62}`; empty: made from the agent's name"""
    port: int = 8080
    load_balancer: bool = False
    vpc_id: str = ""
    """empty: a new VPC"""


@dataclass(frozen=True, slots=True)
class PackageFacts:
    """One tested agent."""

    test_id: str
    agent_id: str
    agent_name: str
    agent_code: str
    query: str
    submitted: datetime
    finished: datetime
    assay_version: str
    python_version: str = "3.11"
    """major and minor version of the Python that the test ran on"""
    requirements: tuple[str, ...] = ()
    """as they were handed in"""
    resolved: tuple[str, ...] = ()
    """`name==version` of everything that was installed in the test; empty where the test did not say"""
    built_from_source: tuple[str, ...] = ()
    """those of them that were compiled in the test, as no wheel was there"""
    system_packages: tuple[str, ...] = ()
    """Debian packages whose programs the agent could use in the test"""
    agent_path: str = ""
    """where the agent's file lies in the project; empty where `agent_code` is all there is"""
    project: Mapping[str, bytes] = field(default_factory=dict)
    """the files of the project by path"""
    executables: frozenset[str] = frozenset()
    """those of them that may be run"""
    inputs: Mapping[str, bytes] = field(default_factory=dict)
    """the input files of the test by path"""
    leaves_files: bool = False
    """whether the agent left files in its output folder"""
    dockerfile: str = ""
    """the user's own"""
    entrypoint: str = ""
    """as the test named it"""
    without_query: bool = False
    """whether the agent was tested without one"""
    called: str = ""
    """what was called in the test, and how; empty where the test does not say"""
    env_names: tuple[str, ...] = ()
    """variables that the test set; their values stay behind, for some may be secrets"""
    secret_names: tuple[str, ...] = ()
    """variables whose values came out of a secret store"""
    model: ModelFacts | None = None
    cpu: float = 0.25
    memory_mib: int = 512
    network: bool = True
    timeout_s: int = 300
    outcome: Outcome = field(default_factory=Outcome)
    options: Options = field(default_factory=Options)


def is_script(facts: PackageFacts) -> bool:
    """Whether the agent's file, or a package of the project, is run as a script."""
    return facts.entrypoint.replace(":", ".").rpartition(".")[2] == "__main__"
