"""What a test may ask for: processor, memory, time, priority. What it does not name it gets from the settings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from assay.v1 import test_pb2
from services.gateway.errors import Violations
from shared.store.documents import Resources

# AWS Fargate: task sizes, "Task CPU and memory" in the ECS developer guide. vCPU -> most memory in MiB. The local
# runtimes take the same sizes, so that what runs on a laptop runs in production; the least memory ECS rounds up.
SIZES: Final[dict[float, int]] = {
    0.25: 2_048,
    0.5: 4_096,
    1.0: 8_192,
    2.0: 16_384,
    4.0: 30_720,
    8.0: 61_440,
    16.0: 122_880,
}
LEAST_MEMORY_MIB: Final = 64
LONGEST_TIMEOUT_S: Final = 6 * 3600
DEFAULT_PRIORITY: Final = 5
_ALLOWED: Final = ", ".join(f"{cpu:g}" for cpu in SIZES)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a test gets that names nothing."""

    timeout_s: int = 300
    memory_mib: int = 512


def resources(given: test_pb2.Resources, defaults: Defaults, field: str, violations: Violations) -> Resources:
    """Processor and memory. Where only one is named the other is the least that goes with it."""
    memory = given.memory_mib or defaults.memory_mib
    most = max(SIZES.values())
    if not LEAST_MEMORY_MIB <= memory <= most:
        violations.add(f"{field}.memory_mib", f"must be from {LEAST_MEMORY_MIB} to {most}")
        memory = defaults.memory_mib
    cpu = given.cpu or next(size for size, limit in SIZES.items() if memory <= limit)
    if cpu not in SIZES:
        violations.add(f"{field}.cpu", f"must be one of {_ALLOWED}")
    elif memory > SIZES[cpu]:
        violations.add(f"{field}.memory_mib", f"must be at most {SIZES[cpu]} with {cpu:g} vCPU")
    return Resources(cpu=cpu if cpu in SIZES else 0.25, memory_mib=memory)


def timeout_s(spec: test_pb2.TestSpec, defaults: Defaults, field: str, violations: Violations) -> int:
    """Whole seconds, rounded up."""
    if not spec.HasField("timeout"):
        return defaults.timeout_s
    seconds, nanos = spec.timeout.seconds, spec.timeout.nanos
    if not 0 <= nanos < 1_000_000_000 or not 1_000_000_000 <= seconds * 10**9 + nanos <= LONGEST_TIMEOUT_S * 10**9:
        violations.add(field, f"must be from 1 s to {LONGEST_TIMEOUT_S} s (6 h)")
        return defaults.timeout_s
    return seconds + math.ceil(nanos / 10**9)


def priority(spec: test_pb2.TestSpec, field: str, violations: Violations) -> int:
    """From 0 (last) to 9 (first)."""
    if not spec.HasField("priority"):
        return DEFAULT_PRIORITY
    if not 0 <= spec.priority <= 9:
        violations.add(field, "must be from 0 (last) to 9 (first)")
        return DEFAULT_PRIORITY
    return spec.priority
