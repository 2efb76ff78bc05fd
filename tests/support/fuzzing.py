"""How many inputs fuzz tests try. In `make test` it is a slice of a few seconds, the same inputs each time. `make
fuzz` says by `ASSAY_FUZZ_EXAMPLES` how many it wants in all: each test takes its share, and they are others each time.

Hypothesis makes them. Not atheris, which would install: it is made for parsers in C. What breaks here are shapes,
numbers and orders of things, which coverage of bytes does not find faster, and what Hypothesis has found and made small
a person can read.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from hypothesis import HealthCheck, settings

WANTED: Final = int(os.environ.get("ASSAY_FUZZ_EXAMPLES", "0"))
"""Inputs in all, of all fuzz tests; 0 where nobody asks for more than the slice."""
_ROUND: Final = 5_000
"""Inputs of one run of Hypothesis, which remembers all of them and slows down with their number."""
Test = Callable[..., Any]


def share(part: float, *, slice_of: int) -> int:
    """Inputs of a test that takes this part of all of them."""
    return max(1, round(WANTED * part)) if WANTED else slice_of


def fuzzed(part: float, *, slice_of: int = 100) -> Callable[[Test], Test]:
    """Runs a test of Hypothesis with as many inputs as `share` says."""
    inputs = share(part, slice_of=slice_of)

    def decorated(test: Test) -> Test:
        one = settings(**how(min(_ROUND, inputs)))(test)

        @wraps(one)
        def many(*given: Any, **named: Any) -> None:
            for _ in range(0, inputs, _ROUND):
                one(*given, **named)

        return many

    return decorated


def how(inputs: int) -> dict[str, Any]:
    """Settings of Hypothesis for one run with so many inputs."""
    return {
        "max_examples": inputs,
        "deadline": None,
        "database": None,
        "derandomize": not WANTED,
        "suppress_health_check": list(HealthCheck),
    }
