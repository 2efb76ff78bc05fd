"""Which sizes of tasks Fargate has: a pure function from what a test asks for to the next one that holds it."""

from __future__ import annotations

from typing import Final, NamedTuple

# "Task CPU and memory", ECS developer guide: CPU units -> least memory, most memory, step, all in MiB.
_TABLE: Final[dict[int, tuple[int, int, int]]] = {
    512: (1024, 4096, 1024),
    1024: (2048, 8192, 1024),
    2048: (4096, 16384, 1024),
    4096: (8192, 30720, 1024),
    8192: (16384, 61440, 4096),
    16384: (32768, 122880, 8192),
}
_SIZES: Final[dict[int, tuple[int, ...]]] = {256: (512, 1024, 2048)} | {
    cpu: tuple(range(least, most + 1, step)) for cpu, (least, most, step) in _TABLE.items()
}
LARGEST: Final = "16 vCPU and 122880 MiB"


class Size(NamedTuple):
    """A pair that Fargate accepts."""

    cpu: int
    """CPU units, 1024 to a vCPU"""
    memory: int
    """MiB"""


def size_for(cpu: float, memory_mib: int) -> Size | None:
    """The smallest size with at least so many vCPU and MiB; None where there is none. More processor is what costs, so
    the least processor that can have the memory is taken."""
    for units, memories in _SIZES.items():
        if units >= cpu * 1024:
            for memory in memories:
                if memory >= memory_mib:
                    return Size(units, memory)
    return None
