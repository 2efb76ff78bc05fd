from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.submission.resources import SIZES
from services.orchestrator.runtimes.ecs.sizes import size_for


@pytest.mark.parametrize(
    ("cpu", "memory", "size"),
    [
        (0.25, 64, (256, 512)),
        (0.25, 512, (256, 512)),
        (0.25, 513, (256, 1024)),
        (0.25, 2048, (256, 2048)),
        (0.25, 2049, (512, 3072)),  # more than a quarter of a processor may have
        (0.5, 512, (512, 1024)),
        (1, 1024, (1024, 2048)),
        (1, 8192, (1024, 8192)),
        (2, 4097, (2048, 5120)),
        (4, 100, (4096, 8192)),
        (8, 16385, (8192, 20480)),
        (16, 122880, (16384, 122880)),
        (0.3, 600, (512, 1024)),
    ],
)
def test_what_a_test_asks_for_is_rounded_up_to_what_fargate_has(cpu: float, memory: int, size: tuple[int, int]) -> None:
    assert size_for(cpu, memory) == size


@pytest.mark.parametrize(("cpu", "memory"), [(16, 122881), (17, 512), (0.25, 200_000)])
def test_what_fargate_does_not_have_is_none(cpu: float, memory: int) -> None:
    assert size_for(cpu, memory) is None


@given(st.sampled_from(sorted(SIZES)), st.data())
def test_whatever_the_gateway_accepts_has_a_size_with_that_processor(cpu: float, data: st.DataObject) -> None:
    memory = data.draw(st.integers(64, SIZES[cpu]))
    size = size_for(cpu, memory)
    assert size is not None
    assert size.cpu == cpu * 1024
    assert size.memory >= memory
