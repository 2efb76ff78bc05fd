"""Whether a package may be asked for like this: every field of the options, and every bad one told at once."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Final

from google.protobuf.duration_pb2 import Duration

from assay.v1 import package_service_pb2 as pb
from services.gateway.errors import Violations
from shared.store.package_documents import PackageOptions

DEFAULT_PORT: Final = 8080
LONGEST_WAIT_S: Final = 30.0

_SERVICE_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
_VPC: Final = re.compile(r"vpc-(?:[0-9a-f]{8}|[0-9a-f]{17})")  # EC2: the short form is that of old VPCs


def checked_options(options: pb.PackageOptions, field: str, violations: Violations) -> PackageOptions:
    """The options in their stored form, defaults filled in. What is wrong is added to `violations`."""
    if options.service_name and not _SERVICE_NAME.fullmatch(options.service_name):
        violations.add(
            f"{field}.service_name",
            "must begin with a to z and have at most 63 of a to z, 0 to 9 and -, such as my-agent",
        )
    if not 0 <= options.port <= 65535:
        violations.add(f"{field}.port", f"must be from 1 to 65535, or 0 for {DEFAULT_PORT}")
    if options.vpc_id and not _VPC.fullmatch(options.vpc_id):
        violations.add(f"{field}.vpc_id", 'must be the id of a VPC, such as "vpc-0123456789abcdef0"')
    return PackageOptions(
        service_name=options.service_name,
        port=options.port or DEFAULT_PORT,
        load_balancer=options.load_balancer,
        vpc_id=options.vpc_id,
    )


def checked_wait(wait: Duration | None, field: str, violations: Violations) -> float:
    """Seconds to wait; none where it is not set."""
    seconds = wait.seconds + wait.nanos / 1e9 if wait is not None else 0.0
    if not 0 <= seconds <= LONGEST_WAIT_S:
        violations.add(field, f"must be from 0 to {LONGEST_WAIT_S:g} s")
    return seconds


def hash_of(options: PackageOptions) -> str:
    """Names the options: a package is unique on its test and this."""
    text = json.dumps(options.model_dump(), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
