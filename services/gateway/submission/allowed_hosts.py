"""What a test asks to reach beside the internet: its shape. Whether it may is decided where it runs."""

from __future__ import annotations

from typing import Final

from assay.v1 import test_pb2
from services.gateway.errors import Violations
from shared.domain.destinations import BadDestination, parse

MOST: Final = 20


def allowed_hosts(spec: test_pb2.TestSpec, field: str, violations: Violations) -> list[str]:
    """The destinations as they are written by us, each once."""
    if spec.allow_hosts and spec.network == test_pb2.NETWORK_ACCESS_NONE:
        violations.add(field, "has hosts, and the test is to have no network: leave one of the two out")
    if len(spec.allow_hosts) > MOST:
        violations.add(field, f"has {len(spec.allow_hosts)} hosts; at most {MOST} are allowed")
    found: dict[str, None] = {}
    for place, text in enumerate(spec.allow_hosts[:MOST]):
        try:
            found[str(parse(text))] = None
        except BadDestination as error:
            violations.add(f"{field}[{place}]", str(error))
    return [*found]
