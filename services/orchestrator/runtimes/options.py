"""What the process runtime can be told. The orchestrator's settings carry the same names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from services.orchestrator.runtimes.operator_secrets import OperatorSecrets
from shared.domain.destinations import Destination


class Isolation(StrEnum):
    """How much a task is shut in."""

    AUTO = "auto"
    """a sandbox where the machine allows one, else a plain process and a loud warning"""
    REQUIRED = "required"
    """a sandbox with cgroup limits, or the runtime does not start"""
    OFF = "off"
    """plain limited processes: for machines where tasks are trusted"""


class NetworkMode(StrEnum):
    """What a test with network gets."""

    OWN = "own"
    """a network namespace of its own, with a way to the internet and to what the settings allow"""
    HOST = "host"
    """the network of the machine, with all that it reaches"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessOptions:
    """How tasks run on this machine."""

    root: Path
    """work folder: tasks, environments, caches"""
    isolation: Isolation = Isolation.AUTO
    cgroups: bool = True
    """limits by cgroup where they can be had"""
    processes: int = 64
    """processes and threads that an agent may have at once"""
    open_files: int = 4096
    cpu_quota: bool = True
    """holds each task to its vCPU; otherwise idle processors are anybody's, and vCPU is a share of busy ones"""
    network: NetworkMode = NetworkMode.OWN
    """what a test with network gets"""
    egress_allow: tuple[Destination, ...] = ()
    """what every test reaches beside the internet"""
    allow_hosts: tuple[Destination, ...] = ()
    """what a test may ask for beside that"""
    nice: int = 5
    """niceness of tasks, so that the services stay quick on a busy machine"""
    uid_base: int = 1_900_000_000
    """first of the user ids that tasks run under (systemd's list keeps this range free); only root can hand them out"""
    uid_count: int = 65_536
    build_memory_mib: int = 2048
    build_processes: int = 256
    build_timeout_s: int = 600
    build_disk_mib: int = 16_384
    """disk that an installation may take, its downloads included"""
    build_env: Mapping[str, str] = field(default_factory=dict)
    """environment for installing: UV_INDEX_URL, HTTPS_PROXY ...; packages that are built from source see it"""
    keep_outputs_s: float = 86_400
    """how long the output of a task that was cleaned up stays, for a log streamer that was away"""
    keep_environments_s: float = 7 * 86_400
    """how long an environment stays that no test has used"""
    interpreter: str = "/usr/bin/python3"
    """the Python of tasks; must be in /usr to be seen inside a sandbox"""
    secrets: OperatorSecrets = field(default_factory=OperatorSecrets)
    """what tests may refer to instead of bringing it along"""
